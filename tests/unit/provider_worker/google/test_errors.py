"""Gemini's errors and refusals by category."""

import json
from typing import Any

import pytest

from provider_worker.google.errors import ERRORS, POLICIES, refusal
from provider_worker.google.response import GeminiResponse
from provider_worker.google.wire import Generated
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import BilledUnits
from shared.errors import PlatformError, SubmissionUnknownError

RPC = "type.googleapis.com/google.rpc."
INFO, QUOTA, RETRY = f"{RPC}ErrorInfo", f"{RPC}QuotaFailure", f"{RPC}RetryInfo"
BILLED = [BilledUnits(provider=ProviderType.VERTEX, unit="input_tokens", amount=3)]


def response(status: int, body: Any, **headers: str) -> GeminiResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return GeminiResponse(status, {n.replace("_", "-"): v for n, v in headers.items()}, content)


def error(status: int, name: str, *details: Any, message: str = "told") -> GeminiResponse:
    found = {"code": status, "message": message, "status": name, "details": list(details)}
    return response(status, {"error": found})


def quota(name: str) -> dict[str, Any]:
    return {"@type": QUOTA, "violations": [{"quotaId": name}]}


@pytest.mark.parametrize(
    ("given", "category"),
    [
        (error(400, "INVALID_ARGUMENT"), Category.VALIDATION),
        (error(400, "INVALID_ARGUMENT", {"@type": INFO, "reason": "API_KEY_INVALID"}),
         Category.AUTHENTICATION),
        (error(400, "FAILED_PRECONDITION"), Category.QUOTA_EXCEEDED),
        (error(401, "UNAUTHENTICATED"), Category.AUTHENTICATION),
        (error(402, "RESOURCE_EXHAUSTED"), Category.QUOTA_EXCEEDED),
        (error(403, "PERMISSION_DENIED"), Category.AUTHENTICATION),
        (error(404, "NOT_FOUND"), Category.VALIDATION),
        (error(413, "INVALID_ARGUMENT"), Category.VALIDATION),
        (error(429, "RESOURCE_EXHAUSTED"), Category.RATE_LIMIT),
        (error(429, "RESOURCE_EXHAUSTED", quota("GenerateRequestsPerMinutePerProject")),
         Category.RATE_LIMIT),
        (error(429, "RESOURCE_EXHAUSTED", quota("GenerateRequestsPerDayPerProjectPerModel")),
         Category.QUOTA_EXCEEDED),
        (error(429, "RESOURCE_EXHAUSTED", {"reason": "MODEL_CAPACITY_EXHAUSTED"}),
         Category.RATE_LIMIT),
        (error(503, "UNAVAILABLE", {"reason": "MODEL_CAPACITY_EXHAUSTED"}), Category.RATE_LIMIT),
        (error(500, "INTERNAL"), Category.PROVIDER_ERROR),
        (error(503, "UNAVAILABLE"), Category.PROVIDER_ERROR),
        (error(504, "DEADLINE_EXCEEDED"), Category.PROVIDER_ERROR),
        (response(429, {}), Category.RATE_LIMIT),
        (response(400, b"<html>"), Category.VALIDATION),
        (response(400, {"error": "text"}), Category.VALIDATION),
        (response(400, {"error": {"details": [1, {"violations": "x"}, {"reason": 5}]}}),
         Category.VALIDATION),
    ],
)  # fmt: skip
def test_a_refusal_has_its_category(given: GeminiResponse, category: Category) -> None:
    found = ERRORS.submission(given)
    assert not isinstance(found, SubmissionUnknownError)
    assert found.category is category


@pytest.mark.parametrize(
    "given",
    [
        response(500, b"<html>"),
        response(502, {"message": "bad gateway"}),
        response(503, {"error": {"message": "x"}}),
        response(504, {"error": {"status": "upstream request timeout"}}),
        response(200, b"half"),
    ],
)
def test_a_proxy_leaves_the_outcome_open(given: GeminiResponse) -> None:
    assert isinstance(ERRORS.submission(given), SubmissionUnknownError)


@pytest.mark.parametrize(
    ("delay", "headers", "wait_s"),
    [
        ("13s", {}, 13),
        ("0.5s", {}, 0.5),
        ("13s", {"retry_after": "7"}, 7),
        ("13", {}, None),
        ("-1s", {}, None),
        (13, {}, None),
    ],
)
def test_the_wait_is_in_the_header_or_in_the_details(
    delay: Any, headers: dict[str, str], wait_s: float | None
) -> None:
    body = {"error": {"details": [{"@type": RETRY, "retryDelay": delay}]}}
    assert response(429, body, **headers).retry_after_s == wait_s


def test_an_error_quotes_its_name_and_message() -> None:
    told = str(ERRORS.submission(error(400, "INVALID_ARGUMENT", message="no such field")))
    assert told == "Gemini returned 400: INVALID_ARGUMENT: no such field"


def refused(body: dict[str, Any], *, wants_picture: bool = True) -> PlatformError | None:
    return refusal(Generated.model_validate(body), BILLED, wants_picture=wants_picture)


def ended(reason: str | None, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    candidate = {"finishReason": reason, "content": {"parts": list(parts)}} | more
    return {"candidates": [candidate]}


PICTURE = {"inlineData": {"mimeType": "image/png", "data": ""}}


@pytest.mark.parametrize("wants_picture", [True, False])
@pytest.mark.parametrize("reason", sorted(POLICIES))
def test_every_policy_is_one(reason: str, *, wants_picture: bool) -> None:
    found = refused(ended(reason, PICTURE, {"text": "no"}), wants_picture=wants_picture)
    assert found is not None
    assert (found.category, found.is_final) == (Category.CONTENT_POLICY, True)
    assert f"{reason}: no" in str(found)
    assert list(found.billed) == BILLED


@pytest.mark.parametrize(
    "reason",
    [
        "NO_IMAGE",
        "IMAGE_OTHER",
        "OTHER",
        "MAX_TOKENS",
        "LANGUAGE",
        "CONTINUATION",
        "MALFORMED_FUNCTION_CALL",
        "FINISH_REASON_UNSPECIFIED",
        "A_REASON_OF_NEXT_YEAR",
        None,
    ],
)
def test_any_other_reason_is_a_failure_even_with_a_picture(reason: str | None) -> None:
    for parts in ([PICTURE], []):
        found = refused(ended(reason, *parts))
        assert found is not None
        assert found.category is Category.PROVIDER_ERROR


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "JAILBREAK", "A_NEW_ONE"])
def test_a_blocked_prompt_is_a_policy(reason: str) -> None:
    body = {"promptFeedback": {"blockReason": reason, "blockReasonMessage": "not this"}}
    found = refused(body)
    assert found is not None
    assert found.category is Category.CONTENT_POLICY
    assert f"{reason}: not this" in str(found)


@pytest.mark.parametrize(
    ("body", "category"),
    [
        ({}, Category.PROVIDER_ERROR),
        ({"candidates": []}, Category.PROVIDER_ERROR),
        ({"candidates": [{"finishReason": "STOP"}]}, Category.PROVIDER_ERROR),
        (ended("STOP"), Category.PROVIDER_ERROR),
        (ended("STOP", {"text": " \n"}), Category.PROVIDER_ERROR),
        (ended("STOP", {"text": "I cannot"}), Category.CONTENT_POLICY),
        (ended("STOP", PICTURE | {"thought": True}), Category.PROVIDER_ERROR),
        (ended("STOP", PICTURE | {"thought": True}, {"text": "no"}), Category.CONTENT_POLICY),
    ],
)
def test_an_end_without_a_picture_is_a_failure(body: dict[str, Any], category: Category) -> None:
    found = refused(body)
    assert found is not None
    assert found.category is category


def test_a_quote_has_two_hundred_characters_and_no_data() -> None:
    words = "sorry " * 100
    found = refused(ended("STOP", {"text": f"{'QUJD' * 100} {words}"}))
    assert found is not None
    assert "(data) sorry" in str(found)
    assert len(str(found)) < 260


def test_results_are_no_failures() -> None:
    assert refused(ended("STOP", {"text": "here"}, PICTURE)) is None
    assert refused(ended("STOP", {"text": "here"}), wants_picture=False) is None


def test_a_text_without_words_or_cut_off_is_a_failure() -> None:
    for body, category in (
        (ended("STOP"), Category.PROVIDER_ERROR),
        (ended("STOP", {"text": "x", "thought": True}), Category.PROVIDER_ERROR),
        (ended("MAX_TOKENS", {"text": "half"}), Category.VALIDATION),
    ):
        found = refused(body, wants_picture=False)
        assert found is not None
        assert found.category is category
