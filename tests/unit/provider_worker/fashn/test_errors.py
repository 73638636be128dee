import json
from typing import Any

import pytest

from provider_worker.fashn.errors import poll_error, submit_error, work_error
from provider_worker.fashn.response import FashnResponse
from provider_worker.fashn.results import billed_units
from provider_worker.fashn.wire import Prediction
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.failures import CONSEQUENCES
from shared.errors import SubmissionUnknownError


def _answer(status: int, body: Any = None, **headers: str) -> FashnResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return FashnResponse(status, named, b"" if body is None else json.dumps(body).encode())


def _named(name: str) -> dict[str, str]:
    return {"error": name, "message": "told"}


@pytest.mark.parametrize(
    ("status", "name", "category"),
    [
        (400, "BadRequest", Category.VALIDATION),
        (401, "UnauthorizedAccess", Category.AUTHENTICATION),
        (402, "", Category.QUOTA_EXCEEDED),
        (403, "", Category.AUTHENTICATION),
        (404, "NotFound", Category.VALIDATION),
        (409, "", Category.VALIDATION),
        (413, "", Category.VALIDATION),
        (422, "InputValidationError", Category.VALIDATION),
        (422, "ContentModerationError", Category.CONTENT_POLICY),
        (429, "RateLimitExceeded", Category.RATE_LIMIT),
        (429, "ConcurrencyLimitExceeded", Category.RATE_LIMIT),
        (429, "OutOfCredits", Category.QUOTA_EXCEEDED),
        (429, "", Category.RATE_LIMIT),
        (500, "InternalServerError", Category.PROVIDER_ERROR),
        (503, "3rdPartyProviderError", Category.PROVIDER_ERROR),
        (200, "OutOfCredits", Category.QUOTA_EXCEEDED),
    ],
)
def test_a_refused_submission_is_certain(status: int, name: str, category: Category) -> None:
    error = submit_error(_answer(status, _named(name), retry_after="7"))
    assert not isinstance(error, SubmissionUnknownError)
    assert (error.category, error.retry_after_s) == (category, 7)
    assert "told" in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"id": None}),
        (200, _named("SomethingNew")),
        (500, None),
        (502, {"error": "Bad Gateway", "message": "x"}),
        (503, {"message": "Service Unavailable"}),
        (504, _named("SomethingNew")),
    ],
)
def test_work_that_may_have_been_accepted_is_unknown(status: int, body: Any) -> None:
    assert isinstance(submit_error(_answer(status, body)), SubmissionUnknownError)


@pytest.mark.parametrize(
    ("status", "category", "is_final"),
    [
        (200, Category.NETWORK, False),
        (401, Category.AUTHENTICATION, True),
        (404, Category.PROVIDER_ERROR, True),
        (422, Category.PROVIDER_ERROR, True),
        (429, Category.RATE_LIMIT, False),
        (500, Category.NETWORK, False),
        (503, Category.NETWORK, False),
    ],
)
def test_a_status_request_is_retried_unless_the_error_is_final(
    status: int, category: Category, *, is_final: bool
) -> None:
    error = poll_error(_answer(status))
    assert (error.category, error.is_final) == (category, is_final)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("ImageLoadError", Category.VALIDATION),
        ("PoseError", Category.VALIDATION),
        ("InputValidationError", Category.VALIDATION),
        ("ContentModerationError", Category.CONTENT_POLICY),
        ("ThirdPartyError", Category.CONTENT_POLICY),
        ("PipelineError", Category.PROVIDER_ERROR),
        ("3rdPartyProviderError", Category.PROVIDER_ERROR),
        ("InternalServerError", Category.PROVIDER_ERROR),
        ("PollingTimeout", Category.PROVIDER_ERROR),
        ("SomethingNew", Category.PROVIDER_ERROR),
    ],
)
def test_failed_work_has_the_category_of_its_reason(name: str, category: Category) -> None:
    body = {"status": "failed", "error": {"name": name, "message": "see https://a.test/b?c=d"}}
    error = work_error(Prediction.model_validate(body))
    assert (error.category, error.is_final) == (category, True)
    assert f"{name}: see https://a.test/b" in str(error)
    assert "c=d" not in str(error)


@pytest.mark.parametrize("status", ["time_out", "canceled"])
def test_work_that_ended_without_a_reason_may_be_tried_again(status: str) -> None:
    error = work_error(Prediction.model_validate({"status": status}))
    assert error.category is Category.PROVIDER_ERROR
    assert CONSEQUENCES[error.category].is_retried
    assert status in str(error)


def test_a_picture_is_not_quoted() -> None:
    told = "data:image/png;base64," + "iVBORw0KGgo" * 40
    error = submit_error(_answer(400, {"error": "BadRequest", "message": f"bad {told}"}))
    assert "bad (data)" in str(error)
    assert "iVBOR" not in str(error)


@pytest.mark.parametrize(
    ("value", "amount"), [("2", 2.0), ("0.75", 0.75), ("", None), ("-1", None), ("nan", None)]
)
def test_credits_are_read_from_a_header(value: str, amount: float | None) -> None:
    units = billed_units(_answer(200, x_fashn_credits_used=value))
    assert [(unit.unit, unit.amount) for unit in units] == (
        [] if amount is None else [("credits", amount)]
    )
