"""Each vendor's errors by status and words, and the certainty that they leave."""

import json
from typing import Any

import pytest

from provider_worker.llm.errors import errors_of
from provider_worker.llm.response import ChatResponse
from shared.contracts.enums import AiProvider
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import SubmissionUnknownError

OPENAI, ANTHROPIC = AiProvider.OPENAI, AiProvider.ANTHROPIC
GEMINI, OLLAMA = AiProvider.GEMINI, AiProvider.OLLAMA
BY_STATUS = {
    400: Category.VALIDATION,
    401: Category.AUTHENTICATION,
    402: Category.QUOTA_EXCEEDED,
    403: Category.AUTHENTICATION,
    404: Category.VALIDATION,
    413: Category.VALIDATION,
    422: Category.VALIDATION,
    429: Category.RATE_LIMIT,
}


def response(status: int, body: Any = None, **headers: str) -> ChatResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ChatResponse(status, named, b"" if body is None else json.dumps(body).encode())


def openai(code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": "told", "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str = "told") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def gemini(code: int, status: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": "told", "status": status, "details": details}}


def quota(quota_id: str) -> dict[str, Any]:
    return {"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


@pytest.mark.parametrize("vendor", list(AiProvider))
@pytest.mark.parametrize(("status", "category"), list(BY_STATUS.items()))
def test_a_status_without_words_has_its_usual_meaning(
    vendor: AiProvider, status: int, category: Category
) -> None:
    error = errors_of(vendor).submission(response(status, retry_after="7"))
    assert not isinstance(error, SubmissionUnknownError)
    assert (error.category, error.retry_after_s) == (category, 7)


@pytest.mark.parametrize(
    ("vendor", "status", "body", "category"),
    [
        (OPENAI, 429, openai("insufficient_quota", "insufficient_quota"), Category.QUOTA_EXCEEDED),
        (OPENAI, 429, openai(None, "insufficient_quota"), Category.QUOTA_EXCEEDED),
        (OPENAI, 429, openai("rate_limit_exceeded", "requests"), Category.RATE_LIMIT),
        (OPENAI, 400, openai("context_length_exceeded"), Category.VALIDATION),
        (OPENAI, 400, openai("content_filter"), Category.CONTENT_POLICY),
        (OPENAI, 400, openai("invalid_prompt"), Category.CONTENT_POLICY),
        (OPENAI, 500, openai(None, "server_error"), Category.PROVIDER_ERROR),
        (ANTHROPIC, 400, anthropic("invalid_request_error"), Category.VALIDATION),
        (ANTHROPIC, 400, anthropic("invalid_request_error", "Your credit balance is too low"),
         Category.QUOTA_EXCEEDED),
        (ANTHROPIC, 403, anthropic("permission_error"), Category.AUTHENTICATION),
        (ANTHROPIC, 402, anthropic("billing_error"), Category.QUOTA_EXCEEDED),
        (ANTHROPIC, 500, anthropic("api_error"), Category.PROVIDER_ERROR),
        (ANTHROPIC, 504, anthropic("timeout_error"), Category.PROVIDER_ERROR),
        (ANTHROPIC, 529, anthropic("overloaded_error"), Category.PROVIDER_ERROR),
        (GEMINI, 400, gemini(400, "INVALID_ARGUMENT"), Category.VALIDATION),
        (GEMINI, 400, gemini(400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}),
         Category.AUTHENTICATION),
        (GEMINI, 400, gemini(400, "FAILED_PRECONDITION"), Category.QUOTA_EXCEEDED),
        (GEMINI, 429, gemini(429, "RESOURCE_EXHAUSTED", quota("RequestsPerMinute")),
         Category.RATE_LIMIT),
        (GEMINI, 429, gemini(429, "RESOURCE_EXHAUSTED", quota("RequestsPerDay")),
         Category.QUOTA_EXCEEDED),
        (GEMINI, 429,
         gemini(429, "RESOURCE_EXHAUSTED", {"reason": "MODEL_CAPACITY_EXHAUSTED"}),
         Category.RATE_LIMIT),
        (GEMINI, 503, gemini(503, "UNAVAILABLE"), Category.PROVIDER_ERROR),
        (OLLAMA, 404, openai(None, "not_found_error"), Category.VALIDATION),
        (OLLAMA, 503, openai(None, "api_error"), Category.PROVIDER_ERROR),
    ],
)  # fmt: skip
def test_words_of_the_vendor_are_certain(
    vendor: AiProvider, status: int, body: dict[str, Any], category: Category
) -> None:
    error = errors_of(vendor).submission(response(status, body))
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is category
    assert str(status) in str(error)
    assert body["error"]["message"] in str(error)


@pytest.mark.parametrize("vendor", list(AiProvider))
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, None),
        (500, None),
        (502, {"error": "Bad Gateway"}),
        (503, {"message": "Service Unavailable"}),
        (504, {"error": {"message": "upstream timed out"}}),
        (499, None),
    ],
)
def test_words_of_a_proxy_leave_it_open(vendor: AiProvider, status: int, body: Any) -> None:
    assert isinstance(errors_of(vendor).submission(response(status, body)), SubmissionUnknownError)


def test_geminis_details_say_how_long_to_wait() -> None:
    wait = {"@type": "x/google.rpc.RetryInfo", "retryDelay": "17.5s"}
    error = errors_of(GEMINI).submission(response(429, gemini(429, "RESOURCE_EXHAUSTED", wait)))
    assert error.retry_after_s == 17.5


@pytest.mark.parametrize("details", [None, "x", [1], [{"retryDelay": None}, {"retryDelay": "x"}]])
def test_odd_details_are_borne(details: Any) -> None:
    body = {"error": {"code": 429, "message": "told", "status": "X", "details": details}}
    error = errors_of(GEMINI).submission(response(429, body))
    assert (error.category, error.retry_after_s) == (Category.RATE_LIMIT, None)
