"""Errors of work at a provider, beyond the platform's general errors."""

from collections.abc import Sequence

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import REPLY_UNFIT, WORKER_LOST
from shared.contracts.service_requests import BilledUnits
from shared.errors import PlatformError, StorageError


class ResponseTooLargeError(PlatformError):
    """A response that exceeds its size limit; final, since a retry would return the same."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the provider's response is larger than {max_bytes} bytes", is_final=True)


class UnusableResultError(PlatformError):
    """The work is done and paid for, but its result exceeds our limits.

    This is our refusal and not the provider's failure: no retry and no fallback follows, and it
    does not count against the provider.

    Args:
        why: the limit that the result exceeds.
    """

    category = ErrorCategory.VALIDATION

    def __init__(self, why: str) -> None:
        super().__init__(f"the work is done, but its result cannot be used: {why}", is_final=True)


class UnfitReplyError(PlatformError):
    """A reply, paid for, that is not what the client asked for; the next attempt asks again.

    It does not count against the provider.

    Args:
        message: the difference.
        billed: the units that it cost.
    """

    category = ErrorCategory.PROVIDER_ERROR
    failure_type = REPLY_UNFIT

    def __init__(self, message: str, *, billed: Sequence[BilledUnits] = ()) -> None:
        super().__init__(message, is_final=True, billed=billed)


class WorkCancelled(PlatformError):  # noqa: N818 — says what happened; it is no fault
    """The work was cancelled; the message has the provider's response to that."""

    category = ErrorCategory.CANCELLED


class DamagedResultError(PlatformError):
    """A result that is not what the provider says it is, or is gone; a retry returns the same."""

    category = ErrorCategory.PROVIDER_ERROR

    def __init__(self, message: str) -> None:
        super().__init__(message, is_final=True)


class StillLostError(StorageError):
    """The outcome of a lost worker's submission cannot be read yet; it is looked up again."""

    failure_type = WORKER_LOST
