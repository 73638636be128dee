"""Translation of Gemini's errors, refusals and finish reasons. Pure functions."""

from collections.abc import Sequence

from provider_worker.errors import UnfitReplyError
from provider_worker.google.response import GeminiResponse
from provider_worker.google.wire import Candidate, Generated
from provider_worker.wire.errors import Errors, category_of_status, redacted
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.service_requests import BilledUnits
from shared.errors import PlatformError

NAME = "Gemini"
STOP = "STOP"
MAX_TOKENS = "MAX_TOKENS"
POLICIES = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "JAILBREAK",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
"""Finish reasons by which the model refuses. All others but `STOP` are failures that a retry may
mend: `NO_IMAGE`, `IMAGE_OTHER`, `OTHER`, `MAX_TOKENS`, `LANGUAGE`, unknown ones and so on."""
_KEY_FAULTS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
_NO_CAPACITY = "MODEL_CAPACITY_EXHAUSTED"
_UNPAID = "FAILED_PRECONDITION"
"""Status of an account without billing, or in a region that is not served."""
_PER_DAY = "PerDay"
_LONGEST_QUOTE = 200


def category_of(response: GeminiResponse) -> Category:
    """Return the category of an error response."""
    reasons = response.reasons
    if _KEY_FAULTS & reasons:
        return Category.AUTHENTICATION
    if _NO_CAPACITY in reasons:
        return Category.RATE_LIMIT
    if response.status_name == _UNPAID:
        return Category.QUOTA_EXCEEDED
    if response.status == 429 and any(_PER_DAY in quota for quota in response.quotas):
        return Category.QUOTA_EXCEEDED
    return category_of_status(response.status)


def _is_refusal(response: GeminiResponse) -> bool:
    """Return true if an error has the form of Google's: proxies have words of their own."""
    return bool(response.status_name)


ERRORS = Errors(NAME, category_of, _is_refusal)


def refusal(
    generated: Generated, billed: Sequence[BilledUnits], *, wants_picture: bool
) -> PlatformError | None:
    """Return the error of a response without the requested result; none if it has it.

    Args:
        generated: the response.
        billed: its tokens, which are billed all the same.
        wants_picture: true if a picture was requested, and false for a text.
    """
    found = _fault(generated, wants_picture=wants_picture)
    if found is None:
        return None
    why, category = found
    if category is Category.PROVIDER_ERROR and _is_complete(generated):
        return UnfitReplyError(f"{NAME} {why}", billed=billed)
    return PlatformError(f"{NAME} {why}", category=category, is_final=True, billed=billed)


def _is_complete(generated: Generated) -> bool:
    """Return true if the model regards its response as complete."""
    candidates = generated.candidates
    return candidates is not None and any(each.finish_reason == STOP for each in candidates[:1])


def _fault(generated: Generated, *, wants_picture: bool) -> tuple[str, Category] | None:
    feedback = generated.prompt_feedback
    if feedback and feedback.block_reason:
        told = _told(feedback.block_reason, feedback.block_reason_message)
        return f"refused the request: {told}", Category.CONTENT_POLICY
    if not generated.candidates:
        return "returned no result, and no reason for that", Category.PROVIDER_ERROR
    candidate = generated.candidates[0]
    if candidate.finish_reason == STOP:
        return _lack(candidate, wants_picture=wants_picture)
    if candidate.finish_reason in POLICIES:
        return f"refused the result: {_reason(candidate)}", Category.CONTENT_POLICY
    if candidate.finish_reason == MAX_TOKENS and not wants_picture:
        why = "ended before the text was complete: it has reached its limit of tokens"
        return why, Category.VALIDATION
    return f"returned no result: {_reason(candidate)}", Category.PROVIDER_ERROR


def _lack(candidate: Candidate, *, wants_picture: bool) -> tuple[str, Category] | None:
    """Return what a response lacks that the model regards as complete."""
    has_words = bool(candidate.text.strip())
    if candidate.pictures if wants_picture else has_words:
        return None
    if has_words:
        quote = quoted(candidate.text)
        return f"returned words and no picture: {quote}", Category.CONTENT_POLICY
    wanted = "neither a picture nor words" if wants_picture else "no text"
    return f"returned {wanted}", Category.PROVIDER_ERROR


def _reason(candidate: Candidate) -> str:
    name = candidate.finish_reason or "it gives no reason"
    return _told(name, candidate.finish_message or candidate.text)


def _told(name: str, message: str | None) -> str:
    quote = quoted(message or "")
    return f"{name[:60]}: {quote}" if quote else name[:60]


def quoted(text: str) -> str:
    """Return a model's words for an error message: at most 200 characters."""
    return redacted(" ".join(text.split()))[:_LONGEST_QUOTE]
