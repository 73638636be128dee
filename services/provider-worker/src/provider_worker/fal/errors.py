"""fal's errors as ours: what a status, fal's word for it and the moment together mean. Pure."""

import re

from provider_worker.fal.response import FalResponse
from provider_worker.fal.wire import QueueStatus
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import PlatformError, SubmissionUnknownError

_BY_TYPE = {
    "content_policy_violation": Category.CONTENT_POLICY,
    "downstream_service_error": Category.PROVIDER_ERROR,
    "downstream_service_unavailable": Category.PROVIDER_ERROR,
    "internal_server_error": Category.PROVIDER_ERROR,
    "no_media_generated": Category.PROVIDER_ERROR,
}
"""What fal's own words mean, whichever status they come with. A timeout of fal's own is a
PROVIDER_ERROR, too: TIMEOUT is our own patience's end, when fal may still be at work."""
_BY_STATUS = {
    401: Category.AUTHENTICATION,
    402: Category.QUOTA_EXCEEDED,
    403: Category.AUTHENTICATION,
    408: Category.NETWORK,
    429: Category.RATE_LIMIT,
}
_PASSING = frozenset({408, 429})
_OUT_OF_MONEY = re.compile(r"exhausted|balance|top.?up|quota|billing|credit", re.IGNORECASE)
"""fal locks an account that has run out: a 403 whose text alone says why."""
_LONGEST = 500
_URL_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", re.IGNORECASE)
"""fal quotes the URLs that it was given; the signature of ours is in the query."""


def category_of(response: FalResponse) -> Category:
    """The category of an answer that is an error."""
    if response.error_type in _BY_TYPE:
        return _BY_TYPE[response.error_type]
    if response.status in (401, 403) and _OUT_OF_MONEY.search(response.message):
        return Category.QUOTA_EXCEEDED
    other = Category.VALIDATION if 400 <= response.status < 500 else Category.PROVIDER_ERROR
    return _BY_STATUS.get(response.status, other)


def submit_error(response: FalResponse) -> PlatformError:
    """What follows from an answer to a submission that is not an acceptance.

    A refusal is certain: nothing was taken, nothing will be charged. Where something before fal
    answered in its place, fal may have taken the work all the same.
    """
    if response.is_success:
        return SubmissionUnknownError(
            f"fal answered {response.status}, but what it says cannot be read: it may have taken the"
            " work, which is not sent again"
        )
    is_fals_refusal = response.status == 503 or "x-fal-error-type" in response.headers
    if response.status < 500:
        return _error(response, category_of(response))
    if is_fals_refusal:
        return _error(response, Category.PROVIDER_ERROR)
    return SubmissionUnknownError(
        f"{_told(response)}; fal may have taken the work, which is not sent again"
    )


def poll_error(response: FalResponse) -> PlatformError:
    """What follows from a question about a request that was not answered.

    The request is known to have been taken, and may well be worked on: where fal is out of reach,
    which an error of its servers is as good as, that is NETWORK. Only fal's having lost it, or our
    having lost the right to ask, ends the wait.
    """
    if response.status == 404:
        return _error(response, Category.PROVIDER_ERROR, is_final=True, said="does not know it")
    if response.status in _PASSING or response.status >= 500 or response.is_success:
        is_limit = response.status == 429
        return _error(response, Category.RATE_LIMIT if is_limit else Category.NETWORK)
    category = category_of(response)
    is_ours = category is Category.VALIDATION
    return _error(response, Category.PROVIDER_ERROR if is_ours else category, is_final=True)


def result_error(response: FalResponse) -> PlatformError:
    """What follows from a result that is an error: the work has failed, and asking again is vain.

    Unless it was not fal that spoke, or it wants to be asked later.
    """
    if response.status == 404:
        return poll_error(response)
    is_stranger = response.status >= 500 and not response.is_from_fal
    if response.status in _PASSING or is_stranger or response.is_success:
        return poll_error(response)
    return _error(response, category_of(response), is_final=True)


def work_error(status: QueueStatus) -> PlatformError:
    """A request that was completed with an error, where its result tells no more."""
    category = _BY_TYPE.get(status.error_type or "", Category.PROVIDER_ERROR)
    told = status.error if isinstance(status.error, str) else status.error_type
    return PlatformError(
        f"fal could not do it: {redacted((told or 'no reason given')[:_LONGEST])}",
        category=category,
        is_final=True,
    )


def redacted(text: str) -> str:
    """Text without the queries of the URLs in it."""
    return _URL_QUERY.sub(r"\1", text)


def _error(
    response: FalResponse, category: Category, *, is_final: bool = False, said: str = ""
) -> PlatformError:
    return PlatformError(
        f"{_told(response)}{f': fal {said}' if said else ''}",
        category=category,
        retry_after_s=response.retry_after_s,
        is_final=is_final,
    )


def _told(response: FalResponse) -> str:
    message = redacted(response.message)
    return f"fal answered {response.status}{f': {message}' if message else ''}"
