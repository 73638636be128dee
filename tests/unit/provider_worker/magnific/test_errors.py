import json
from typing import Any

import pytest

from provider_worker.magnific.errors import poll_error, submit_error, work_error
from provider_worker.magnific.response import MagnificResponse
from provider_worker.magnific.wire import Created, Upscaling
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import SubmissionUnknownError


def _answer(status: int, body: Any = None, **headers: str) -> MagnificResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return MagnificResponse(status, named, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "message", "category"),
    [
        (400, "Your request parameters did not validate.", Category.VALIDATION),
        (401, "Invalid API key", Category.AUTHENTICATION),
        (402, "", Category.QUOTA_EXCEEDED),
        (403, "Forbidden", Category.AUTHENTICATION),
        (403, "You have run out of credits", Category.QUOTA_EXCEEDED),
        (404, "", Category.VALIDATION),
        (409, "", Category.VALIDATION),
        (413, "", Category.VALIDATION),
        (422, "", Category.VALIDATION),
        (429, "Too many requests", Category.RATE_LIMIT),
        (429, "No credits remain", Category.QUOTA_EXCEEDED),
        (500, "Internal server error", Category.PROVIDER_ERROR),
        (503, "Service unavailable", Category.PROVIDER_ERROR),
    ],
)
def test_a_refused_submission_is_certain(status: int, message: str, category: Category) -> None:
    error = submit_error(_answer(status, {"message": message}, retry_after="7"))
    assert not isinstance(error, SubmissionUnknownError)
    assert (error.category, error.retry_after_s) == (category, 7)
    assert message in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"data": {"status": "CREATED"}}),
        (200, {"data": None}),
        (200, [1]),
        (500, None),
        (502, {"message": "Bad gateway"}),
        (503, None),
        (504, {"message": "Endpoint request timed out"}),
    ],
)
def test_work_that_may_have_been_accepted_is_unknown(status: int, body: Any) -> None:
    answer = _answer(status, body)
    assert not answer.is_success or answer.unwrapped(Created) is None
    assert isinstance(submit_error(answer), SubmissionUnknownError)


@pytest.mark.parametrize(
    ("status", "category", "is_final"),
    [
        (401, Category.AUTHENTICATION, True),
        (404, Category.PROVIDER_ERROR, True),
        (429, Category.RATE_LIMIT, False),
        (502, Category.NETWORK, False),
    ],
)
def test_a_status_request_is_retried_unless_the_error_is_final(
    status: int, category: Category, *, is_final: bool
) -> None:
    error = poll_error(_answer(status))
    assert (error.category, error.is_final) == (category, is_final)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"task_id": "t-1", "status": "COMPLETED", "generated": ["https://a.test/b"]}},
        {"task_id": "t-1", "status": "COMPLETED", "generated": ["https://a.test/b"]},
        {"task_id": "t-1", "task_status": "COMPLETED", "generated": ["https://a.test/b"]},
    ],
)
def test_a_body_is_read_with_and_without_data(body: dict[str, Any]) -> None:
    answer = _answer(200, body)
    created, upscaling = answer.unwrapped(Created), answer.unwrapped(Upscaling)
    assert created is not None
    assert upscaling is not None
    assert created.task_id == "t-1"
    assert (upscaling.is_done, upscaling.generated) == (True, ["https://a.test/b"])


def test_failed_work_may_be_tried_again() -> None:
    error = work_error(_answer(200, {"data": {"status": "FAILED"}}))
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert "no reason" in str(error)
