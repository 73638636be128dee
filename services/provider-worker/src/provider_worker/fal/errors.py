"""Translation of fal's errors by status, error type and kind of request. Pure functions."""

import re
from collections.abc import Sequence

from provider_worker.fal.response import FalResponse
from provider_worker.fal.wire import QueueStatus
from provider_worker.wire.errors import PASSING, Errors, category_of_status, redacted
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.service_requests import BilledUnits
from shared.errors import PlatformError, WorkDroppedError

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
_TIMEOUT_TYPE, _BY_CALLER = "x-fal-request-timeout-type", "user"
"""Header of the 504 of work that did not start within the time that the request allowed."""
_OUT_OF_MONEY = re.compile(r"exhausted|balance|top.?up|quota|billing|credit", re.IGNORECASE)
"""fal locks an account without credit: a 403 that only the text distinguishes."""
_LONGEST = 500


def category_of(response: FalResponse) -> Category:
    """Return the category of an error response."""
    if is_start_timeout(response):
        return Category.TIMEOUT
    if response.error_type in _BY_TYPE:
        return _BY_TYPE[response.error_type]
    if response.status in (401, 403) and _OUT_OF_MONEY.search(response.message):
        return Category.QUOTA_EXCEEDED
    return category_of_status(response.status)


def _is_refusal(response: FalResponse) -> bool:
    stated = response.headers.get("x-fal-error-type", "")
    is_stated = bool(stated and stated not in _NO_PROOF)
    return response.status == 503 or is_stated or is_start_timeout(response)


_ERRORS = Errors("fal", category_of, _is_refusal)
submit_error = _ERRORS.submission
poll_error = _ERRORS.poll


def result_error(response: FalResponse, billed: Sequence[BilledUnits] = ()) -> PlatformError:
    """Translate an error response to a result request: the work has failed for good.

    fal may have billed it, which it says in a header: it charges for some refused inputs (422).

    An error of a proxy and a request to come back later are treated as a failed status request.
    """
    if response.status == 404:
        return poll_error(response)
    if is_start_timeout(response):
        return WorkDroppedError(
            "fal dropped the work, which did not start in time; it is not charged", is_final=True
        )
    is_proxy_error = response.status >= 500 and not response.is_from_fal
    if response.status in PASSING or is_proxy_error or response.is_success:
        return poll_error(response)
    error = _ERRORS.of(response, category_of(response), is_final=True)
    error.billed = tuple(billed)
    return error


def is_start_timeout(response: FalResponse) -> bool:
    """Return true if fal dropped work that did not start within the time the request allowed."""
    return response.status == 504 and response.headers.get(_TIMEOUT_TYPE, "") == _BY_CALLER


def work_error(status: QueueStatus, billed: Sequence[BilledUnits] = ()) -> PlatformError:
    """Translate the status of a request that failed, if its result gives no better reason."""
    category = _BY_TYPE.get(status.error_type or "", Category.PROVIDER_ERROR)
    reason = status.error if isinstance(status.error, str) else status.error_type
    return PlatformError(
        f"the work failed at fal: {redacted((reason or 'no reason given')[:_LONGEST])}",
        category=category,
        is_final=True,
        billed=billed,
    )
