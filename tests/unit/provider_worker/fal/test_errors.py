from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.fal.errors import (
    poll_error,
    result_error,
    submit_error,
    work_error,
)
from provider_worker.fal.response import FalResponse
from provider_worker.fal.wire import QueueStatus
from provider_worker.wire.errors import redacted
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.untrusted import find_fault
from shared.errors import PlatformError, SubmissionUnknownError, WorkDroppedError
from tests.fixtures.hostile import bodies
from tests.unit.provider_worker.wire.test_response import answer

_LOCKED = {"detail": "User is locked. Reason: Exhausted balance. Top up your balance."}
_FLAGGED = {"detail": [{"loc": ["body"], "msg": "flagged", "type": "content_policy_violation"}]}
_WRONG = {"detail": [{"loc": ["body", "seed"], "msg": "not an int", "type": "int_type"}]}
_STATUSES = st.integers(300, 599)
_BODIES = st.sampled_from([None, _LOCKED, _FLAGGED, _WRONG, {"detail": "x", "error_type": "y"}])


@pytest.mark.parametrize(
    ("status", "body", "category"),
    [
        (400, {"detail": "bad"}, Category.VALIDATION),
        (401, {"detail": "no key"}, Category.AUTHENTICATION),
        (402, None, Category.QUOTA_EXCEEDED),
        (403, {"detail": "forbidden"}, Category.AUTHENTICATION),
        (403, {"detail": "User is locked. Reason: Admin lock."}, Category.AUTHENTICATION),
        (403, _LOCKED, Category.QUOTA_EXCEEDED),
        (404, {"detail": "Application not found"}, Category.VALIDATION),
        (408, None, Category.NETWORK),
        (413, None, Category.VALIDATION),
        (422, _WRONG, Category.VALIDATION),
        (422, _FLAGGED, Category.CONTENT_POLICY),
        (429, None, Category.RATE_LIMIT),
        (503, None, Category.PROVIDER_ERROR),
    ],
)
def test_a_refused_submission_is_certain(status: int, body: Any, category: Category) -> None:
    error = submit_error(answer(status, body, retry_after="7"))
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is category
    assert error.retry_after_s == 7


def test_an_error_type_of_fal_makes_a_server_error_certain() -> None:
    error = submit_error(answer(504, {"detail": "x"}, x_fal_error_type="startup_timeout"))
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is Category.PROVIDER_ERROR


@pytest.mark.parametrize(
    ("status", "error_type", "category"),
    [
        (500, "runner_server_error", Category.PROVIDER_ERROR),
        (502, "runner_incomplete_response", Category.PROVIDER_ERROR),
        (503, "runner_connection_error", Category.PROVIDER_ERROR),
        (503, "internal_error", Category.PROVIDER_ERROR),
        (400, "bad_request", Category.VALIDATION),
        (500, "bad_request", Category.VALIDATION),
        (500, "internal_error", None),
        (502, "internal_error", None),
        (504, "internal_error", None),
        (499, "client_disconnected", None),
        (499, "client_cancelled", None),
    ],
)
def test_an_error_type_of_fal_tells_what_is_certain(
    status: int, error_type: str, category: Category | None
) -> None:
    error = submit_error(answer(status, {"detail": "x"}, x_fal_error_type=error_type))
    assert isinstance(error, SubmissionUnknownError) == (category is None)
    assert error.category is (category or Category.PROVIDER_ERROR)


def test_work_that_did_not_start_in_time_is_a_timeout_and_not_charged() -> None:
    dropped = answer(504, {"detail": "timed out"}, x_fal_request_timeout_type="user")
    error = result_error(dropped)
    assert isinstance(error, WorkDroppedError)
    assert (error.category, error.is_final) == (Category.TIMEOUT, True)
    assert "not charged" in str(error)
    refused = submit_error(dropped)
    assert not isinstance(refused, SubmissionUnknownError)
    assert CONSEQUENCES[refused.category].is_retried
    others = answer(504, {"detail": "timed out"}, x_fal_request_timeout_type="server")
    assert result_error(others).category is Category.PROVIDER_ERROR


@pytest.mark.parametrize("status", [200, 202, 499, 500, 502, 504, 520])
def test_work_that_may_have_been_accepted_is_unknown(status: int) -> None:
    assert isinstance(submit_error(answer(status, {"hello": 1})), SubmissionUnknownError)


@given(_STATUSES, _BODIES)
def test_no_retried_refusal_can_have_been_accepted(status: int, body: Any) -> None:
    """Retried submissions were refused by fal's own queue, or by a limit in front of it."""
    error = submit_error(answer(status, body))
    if not isinstance(error, SubmissionUnknownError) and CONSEQUENCES[error.category].is_retried:
        assert status < 500 or status == 503


@pytest.mark.parametrize(
    ("status", "category", "is_final"),
    [
        (202, Category.NETWORK, False),
        (301, Category.PROVIDER_ERROR, True),
        (401, Category.AUTHENTICATION, True),
        (404, Category.PROVIDER_ERROR, True),
        (405, Category.PROVIDER_ERROR, True),
        (408, Category.NETWORK, False),
        (429, Category.RATE_LIMIT, False),
        (500, Category.NETWORK, False),
        (502, Category.NETWORK, False),
        (504, Category.NETWORK, False),
    ],
)
def test_a_status_request_is_retried_unless_the_error_is_final(
    status: int, category: Category, *, is_final: bool
) -> None:
    error = poll_error(answer(status))
    assert (error.category, error.is_final) == (category, is_final)


@pytest.mark.parametrize(
    ("found", "category", "is_final"),
    [
        (answer(422, _FLAGGED), Category.CONTENT_POLICY, True),
        (answer(422, _WRONG), Category.VALIDATION, True),
        (answer(404), Category.PROVIDER_ERROR, True),
        (answer(500, {"detail": "out of memory"}), Category.PROVIDER_ERROR, True),
        (answer(504, x_fal_error_type="request_timeout"), Category.PROVIDER_ERROR, True),
        (answer(503, x_fal_error_type="runner_disconnected"), Category.PROVIDER_ERROR, True),
        (answer(400, {"detail": [{"type": "downstream_service_error"}]}), Category.PROVIDER_ERROR,
         True),
        (answer(502), Category.NETWORK, False),
        (FalResponse(504, {}, b"<html>"), Category.NETWORK, False),
        (answer(429), Category.RATE_LIMIT, False),
    ],
)  # fmt: skip
def test_a_result_that_is_an_error_ends_the_work(
    found: FalResponse, category: Category, *, is_final: bool
) -> None:
    error = result_error(found)
    assert (error.category, error.is_final) == (category, is_final)


@given(_STATUSES, _BODIES)
def test_every_error_has_a_category_and_a_message(status: int, body: Any) -> None:
    for mapped in (submit_error, poll_error, result_error):
        error = mapped(answer(status, body))
        assert isinstance(error, PlatformError)
        assert str(status) in str(error)


@pytest.mark.parametrize(
    ("error_type", "category"),
    [
        ("content_policy_violation", Category.CONTENT_POLICY),
        ("request_timeout", Category.PROVIDER_ERROR),
        ("runner_disconnected", Category.PROVIDER_ERROR),
        (None, Category.PROVIDER_ERROR),
    ],
)
def test_work_that_ended_with_an_error_is_final(error_type: str | None, category: Category) -> None:
    error = work_error(QueueStatus(status="COMPLETED", error="broken", error_type=error_type))
    assert (error.category, error.is_final) == (category, True)
    assert "broken" in str(error)


def test_signatures_of_quoted_urls_are_left_out() -> None:
    told = "cannot load https://s3.test/a.png?X-Amz-Signature=abc&b=1: 403"
    assert redacted(told) == "cannot load https://s3.test/a.png 403"
    error = result_error(answer(422, {"detail": [{"msg": told, "type": "file_download_error"}]}))
    assert "X-Amz" not in str(error)


@given(bodies(), st.integers(200, 599), st.text(max_size=20))
def test_every_error_response_gives_a_storable_text(content: bytes, status: int, word: str) -> None:
    found = FalResponse(status, {"x-fal-error-type": word}, content)
    for read in (submit_error, poll_error, result_error):
        assert find_fault(str(read(found))) is None
    done = QueueStatus(status="COMPLETED", error=word * 200, error_type=word)
    assert find_fault(str(work_error(done))) is None
