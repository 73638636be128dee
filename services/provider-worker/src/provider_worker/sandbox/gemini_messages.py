"""Messages of Gemini's API: errors, refusals and numbers of tokens. Pure."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from provider_worker.sandbox.faults import RETRY_S, Canned, rate_limits
from provider_worker.sandbox.schemas.tables import Problem

THOUGHTS = 96
"""Tokens of the thoughts before a result."""
_ASKED_OF_REFUSAL = 300
TOKENS_OF_REFUSAL = _ASKED_OF_REFUSAL + THOUGHTS
"""Tokens of a request without a result."""
_RPC = "type.googleapis.com/google.rpc."
_EXHAUSTED = "RESOURCE_EXHAUSTED"
_REFUSAL = "I'm unable to create this picture, since it shows a real person."


def canned() -> Mapping[str, Canned]:
    """Return the ready-made faults."""
    return {**_limits(), **{name: Canned(200, body) for name, body in _endings().items()}}


def _limits() -> dict[str, Canned]:
    minute, day = _quota("PerMinute"), _quota("PerDay")
    wait = {"@type": f"{_RPC}RetryInfo", "retryDelay": f"{RETRY_S}s"}
    capacity = {"@type": f"{_RPC}ErrorInfo", "reason": "MODEL_CAPACITY_EXHAUSTED"}
    told = "You exceeded your current quota"
    return {
        **rate_limits(error(429, _EXHAUSTED, told, minute)),
        "retry_info": Canned(429, error(429, _EXHAUSTED, told, minute, wait)),
        "quota_per_day": Canned(429, error(429, _EXHAUSTED, told, day, wait)),
        "concurrency": Canned(429, error(429, _EXHAUSTED, "No capacity", capacity)),
        "out_of_credit": Canned(402, error(402, _EXHAUSTED, "Your credits are depleted")),
        "overloaded": Canned(503, error(503, "UNAVAILABLE", "The model is overloaded.")),
    }


def _endings() -> dict[str, dict[str, Any]]:
    return {
        "content_policy": _blocked("PROHIBITED_CONTENT"),
        "unsafe_prompt": _blocked("SAFETY"),
        "content_filter": _ended("SAFETY"),
        "image_safety": _ended("IMAGE_SAFETY", finishMessage="Unsafe picture"),
        "no_image": _ended("NO_IMAGE"),
        "cut_off": _ended("MAX_TOKENS", "The dress is"),
        "text_only": _ended("STOP", _REFUSAL),
        "empty": _ended("STOP"),
        "wrong_schema": _ended("STOP", '{"unexpected": true}'),
        "broken_json": _ended("STOP", '{"unexpec'),
        "continuation": _ended("CONTINUATION", "The") | {"continuationToken": "dG9rZW4="},
    }


def error(code: int, status: str, message: str, *details: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error in Google's form."""
    found = {"details": list(details)} if details else {}
    return {"error": {"code": code, "message": message, "status": status, **found}}


def invalid(problems: Sequence[Problem]) -> Response:
    """Return 400, and the faults by field."""
    violations = [{"field": each.field, "description": _told(each)} for each in problems]
    detail = {"@type": f"{_RPC}BadRequest", "fieldViolations": violations}
    message = "; ".join(each["description"] for each in violations)
    return JSONResponse(error(400, "INVALID_ARGUMENT", message, detail), 400)


def unauthorized(*, is_project: bool) -> Response:
    """Return the refusal of a wrong key or token."""
    if is_project:
        message = "Request had invalid authentication credentials."
        return JSONResponse(error(401, "UNAUTHENTICATED", message), 401)
    reason = {"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID"}
    message = "API key not valid. Please pass a valid API key."
    return JSONResponse(error(400, "INVALID_ARGUMENT", message, reason), 400)


def usage(asked: int, told: int) -> dict[str, int]:
    """Return the numbers of tokens."""
    return {
        "promptTokenCount": asked,
        "candidatesTokenCount": told,
        "thoughtsTokenCount": THOUGHTS,
        "totalTokenCount": asked + told + THOUGHTS,
    }


def claim_of(assertion: str) -> dict[str, Any]:
    """Return the claim of a JSON web token, which is not verified; empty if it is none."""
    parts = assertion.split(".")
    try:
        claim = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (IndexError, ValueError):
        return {}
    return claim if isinstance(claim, dict) else {}  # pyright: ignore[reportUnknownVariableType] -- JSON


def _blocked(reason: str) -> dict[str, Any]:
    return _without_result({"promptFeedback": {"blockReason": reason}})


def _ended(reason: str, text: str = "", **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0, **more}
    if text:
        candidate["content"] = {"parts": [{"text": text}], "role": "model"}
    return _without_result({"candidates": [candidate]})


def _without_result(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"usageMetadata": usage(_ASKED_OF_REFUSAL, 0), "responseId": "sandbox-refusal", **body}


def _quota(period: str) -> dict[str, Any]:
    quota = f"GenerateRequests{period}PerProjectPerModel"
    return {"@type": f"{_RPC}QuotaFailure", "violations": [{"quotaId": quota}]}


def _told(problem: Problem) -> str:
    if problem.is_stray:
        return f'Unknown name "{problem.field}": Cannot find field.'
    return f"{problem.field}: {problem.msg}".strip(": ")
