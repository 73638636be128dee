"""Translation of the vendors' errors, and of replies that are none, by certainty. Pure."""

from collections.abc import Mapping

from provider_worker.llm.response import ChatResponse
from provider_worker.wire.errors import Errors, category_of_status
from shared.contracts.enums import AiProvider
from shared.contracts.enums import ErrorCategory as Category

NAMES = {
    AiProvider.OPENAI: "OpenAI",
    AiProvider.ANTHROPIC: "Anthropic",
    AiProvider.GEMINI: "Gemini",
    AiProvider.OLLAMA: "Ollama",
}
_OPENAI: Mapping[str, Category] = {
    "insufficient_quota": Category.QUOTA_EXCEEDED,
    "billing_hard_limit_reached": Category.QUOTA_EXCEEDED,
    "billing_not_active": Category.QUOTA_EXCEEDED,
    "content_filter": Category.CONTENT_POLICY,
    "content_policy_violation": Category.CONTENT_POLICY,
    "invalid_prompt": Category.CONTENT_POLICY,
    "cyber_policy": Category.CONTENT_POLICY,
    "context_length_exceeded": Category.VALIDATION,
}
"""Categories of the `code` or `type` of OpenAI's errors, for any status."""
_ANTHROPIC: Mapping[str, Category] = {
    "authentication_error": Category.AUTHENTICATION,
    "permission_error": Category.AUTHENTICATION,
    "billing_error": Category.QUOTA_EXCEEDED,
    "invalid_request_error": Category.VALIDATION,
    "not_found_error": Category.VALIDATION,
    "request_too_large": Category.VALIDATION,
    "rate_limit_error": Category.RATE_LIMIT,
    "api_error": Category.PROVIDER_ERROR,
    "timeout_error": Category.PROVIDER_ERROR,
    "overloaded_error": Category.PROVIDER_ERROR,
}
_NO_CREDIT = "credit balance is too low"
"""Anthropic says so with 400 and `invalid_request_error`."""
_GEMINI: Mapping[str, Category] = {
    "API_KEY_INVALID": Category.AUTHENTICATION,
    "API_KEY_SERVICE_BLOCKED": Category.AUTHENTICATION,
    "BILLING_DISABLED": Category.QUOTA_EXCEEDED,
    "MODEL_CAPACITY_EXHAUSTED": Category.RATE_LIMIT,
}
"""Categories of the reasons in the details of Gemini's errors."""
_A_DAY = "PerDay"
"""Part of the id of a quota that is used up until tomorrow."""


def errors_of(vendor: AiProvider) -> Errors[ChatResponse]:
    """Return the translation of a vendor's errors."""
    return Errors(NAMES[vendor], _CATEGORIES[vendor], _REFUSALS[vendor])


def _openai(response: ChatResponse) -> Category:
    error = response.error
    for name in ("code", "type"):
        if found := _OPENAI.get(str(error.get(name))):
            return found
    return category_of_status(response.status)


def _anthropic(response: ChatResponse) -> Category:
    if _NO_CREDIT in response.message:
        return Category.QUOTA_EXCEEDED
    found = _ANTHROPIC.get(str(response.error.get("type")))
    return found or category_of_status(response.status)


def _gemini(response: ChatResponse) -> Category:
    for detail in response.details:
        if found := _GEMINI.get(str(detail.get("reason"))):
            return found
    if response.error.get("status") == "FAILED_PRECONDITION":  # billing, or the region
        return Category.QUOTA_EXCEEDED
    if response.status == 429 and _A_DAY in str(response.details):
        return Category.QUOTA_EXCEEDED
    return category_of_status(response.status)


def _has_type(response: ChatResponse) -> bool:
    """Return true if an error has a type, as those of OpenAI and Ollama have."""
    return bool(response.field("error", "message") and response.field("error", "type"))


def _has_known_type(response: ChatResponse) -> bool:
    return response.field("type") == "error" and response.error.get("type") in _ANTHROPIC


def _has_status(response: ChatResponse) -> bool:
    return response.error.get("code") == response.status and bool(response.field("error", "status"))


_CATEGORIES = {
    AiProvider.OPENAI: _openai,
    AiProvider.ANTHROPIC: _anthropic,
    AiProvider.GEMINI: _gemini,
    AiProvider.OLLAMA: _openai,
}
_REFUSALS = {
    AiProvider.OPENAI: _has_type,
    AiProvider.ANTHROPIC: _has_known_type,
    AiProvider.GEMINI: _has_status,
    AiProvider.OLLAMA: _has_type,
}
"""Whether an error of 5xx is the vendor's own, and no proxy's."""
