"""Translation of Magnific's errors by status and message. Pure functions."""

import re

from provider_worker.magnific.response import MagnificResponse
from provider_worker.wire.errors import Errors, category_of_status, redacted
from shared.contracts.enums import ErrorCategory as Category
from shared.errors import PlatformError

_OUT_OF_CREDIT = re.compile(r"credit|balance|billing|top.?up|payment", re.IGNORECASE)
_MAY_LACK_CREDIT = frozenset({401, 403, 429})
_OWN = frozenset({500, 503})
"""Statuses that Magnific documents, with a message. 502 and 504 are those of a proxy."""


def category_of(response: MagnificResponse) -> Category:
    """Return the category of an error response."""
    if response.status in _MAY_LACK_CREDIT and _OUT_OF_CREDIT.search(response.message):
        return Category.QUOTA_EXCEEDED
    return category_of_status(response.status)


def _is_refusal(response: MagnificResponse) -> bool:
    return response.status in _OWN and bool(response.message)


_ERRORS = Errors("Magnific", category_of, _is_refusal)
submit_error = _ERRORS.submission
poll_error = _ERRORS.poll


def work_error(response: MagnificResponse) -> PlatformError:
    """Return the error of work that failed. Magnific gives no reason unless there is a message."""
    reason = redacted(response.message) or "it gives no reason"
    return PlatformError(
        f"the work failed at Magnific: {reason}",
        category=Category.PROVIDER_ERROR,
        is_final=True,
    )
