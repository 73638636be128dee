"""Translation of fal's errors by status, error type and kind of request. Pure functions."""

import re

from provider_worker.fal.response import FalResponse
from provider_worker.fal.wire import QueueStatus
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import PlatformError, SubmissionUnknownError

_BY_TYPE = {
    "bad_request": Category.VALIDATION,
    "client_cancelled": Category.PROVIDER_ERROR,
    "client_disconnected": Category.PROVIDER_ERROR,
    "content_policy_violation": Category.CONTENT_POLICY,
    "downstream_service_error": Category.PROVIDER_ERROR,
    "downstream_service_unavailable": Category.PROVIDER_ERROR,
    "internal_error": Category.PROVIDER_ERROR,
    "internal_server_error": Category.PROVIDER_ERROR,
    "no_media_generated": Category.PROVIDER_ERROR,
    "runner_connection_error": Category.PROVIDER_ERROR,
    "runner_connection_refused": Category.PROVIDER_ERROR,
    "runner_connection_timeout": Category.PROVIDER_ERROR,
    "runner_disconnected": Category.PROVIDER_ERROR,
    "runner_incomplete_response": Category.PROVIDER_ERROR,
    "runner_scheduling_failure": Category.PROVIDER_ERROR,
    "runner_server_error": Category.PROVIDER_ERROR,
}
"""Categories of fal's error types, for any status. A timeout within fal is a PROVIDER_ERROR, too:
TIMEOUT means that our own limit was reached, while fal may still be working."""
_NO_PROOF = frozenset({"client_cancelled", "client_disconnected", "internal_error"})
"""Error types that do not prove that fal refused the work."""
_DISCONNECTED = 499
"""Status of a request whose client had gone, as fal saw it."""
_TIMEOUT_TYPE, _BY_CALLER = "x-fal-request-timeout-type", "user"
"""Header of the 504 of work that did not start within the time that the request allowed."""
_BY_STATUS = {
    401: Category.AUTHENTICATION,
    402: Category.QUOTA_EXCEEDED,
    403: Category.AUTHENTICATION,
    408: Category.NETWORK,
    429: Category.RATE_LIMIT,
}
_PASSING = frozenset({408, 429})
_OUT_OF_MONEY = re.compile(r"exhausted|balance|top.?up|quota|billing|credit", re.IGNORECASE)
"""fal locks an account without credit: a 403 that only the text distinguishes."""
_LONGEST = 500
_URL_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", re.IGNORECASE)
"""fal quotes the URLs of the request; the query of a presigned URL holds its signature."""


def category_of(response: FalResponse) -> Category:
    """Return the category of an error response."""
    if response.error_type in _BY_TYPE:
        return _BY_TYPE[response.error_type]
    if response.status in (401, 403) and _OUT_OF_MONEY.search(response.message):
        return Category.QUOTA_EXCEEDED
    other = Category.VALIDATION if 400 <= response.status < 500 else Category.PROVIDER_ERROR
    return _BY_STATUS.get(response.status, other)


def submit_error(response: FalResponse) -> PlatformError:
    """Translate the response to a submission that fal did not accept.

    After a refusal by fal itself nothing was accepted and nothing will be charged. If a proxy
    responded in its place, fal may have accepted the work nevertheless.
    """
    if response.is_success:
        return SubmissionUnknownError(
            f"fal returned {response.status} with an unreadable body; fal may have accepted the"
            " work, so it is not sent again"
        )
    if is_start_timeout(response):
        return _error(response, Category.TIMEOUT)
    if response.status < 500 and response.status != _DISCONNECTED:
        return _error(response, category_of(response))
    stated = response.headers.get("x-fal-error-type", "")
    is_fals_refusal = response.status == 503 or (stated and stated not in _NO_PROOF)
    if is_fals_refusal:
        is_wrong = stated == "bad_request"
        return _error(response, Category.VALIDATION if is_wrong else Category.PROVIDER_ERROR)
    return SubmissionUnknownError(
        f"{_described(response)}; fal may have accepted the work, so it is not sent again"
    )


def poll_error(response: FalResponse) -> PlatformError:
    """Translate a failed status request.

    fal has accepted the work and may be working on it. An error of its servers therefore counts as
    NETWORK and is retried. The wait ends only if fal does not know the request or refuses access.
    """
    if response.status == 404:
        return _error(
            response, Category.PROVIDER_ERROR, is_final=True, note="fal does not know the request"
        )
    if response.status in _PASSING or response.status >= 500 or response.is_success:
        is_limit = response.status == 429
        return _error(response, Category.RATE_LIMIT if is_limit else Category.NETWORK)
    category = category_of(response)
    is_ours = category is Category.VALIDATION
    return _error(response, Category.PROVIDER_ERROR if is_ours else category, is_final=True)


def result_error(response: FalResponse) -> PlatformError:
    """Translate an error response to a result request: the work has failed for good.

    An error of a proxy and a request to come back later are treated as a failed status request.
    """
    if response.status == 404:
        return poll_error(response)
    if is_start_timeout(response):
        note = "the work did not start in time, and is not charged"
        return _error(response, Category.TIMEOUT, is_final=True, note=note)
    is_proxy_error = response.status >= 500 and not response.is_from_fal
    if response.status in _PASSING or is_proxy_error or response.is_success:
        return poll_error(response)
    return _error(response, category_of(response), is_final=True)


def is_start_timeout(response: FalResponse) -> bool:
    """Return true if fal dropped work that did not start within the time the request allowed."""
    return response.status == 504 and response.headers.get(_TIMEOUT_TYPE, "") == _BY_CALLER


def work_error(status: QueueStatus) -> PlatformError:
    """Translate the status of a request that failed, if its result gives no better reason."""
    category = _BY_TYPE.get(status.error_type or "", Category.PROVIDER_ERROR)
    reason = status.error if isinstance(status.error, str) else status.error_type
    return PlatformError(
        f"the work failed at fal: {redacted((reason or 'no reason given')[:_LONGEST])}",
        category=category,
        is_final=True,
    )


def redacted(text: str) -> str:
    """Return a text with the queries of its URLs removed."""
    return _URL_QUERY.sub(r"\1", text)


def _error(
    response: FalResponse, category: Category, *, is_final: bool = False, note: str = ""
) -> PlatformError:
    return PlatformError(
        f"{_described(response)}{f': {note}' if note else ''}",
        category=category,
        retry_after_s=response.retry_after_s,
        is_final=is_final,
    )


def _described(response: FalResponse) -> str:
    message = redacted(response.message)
    return f"fal returned {response.status}{f': {message}' if message else ''}"
