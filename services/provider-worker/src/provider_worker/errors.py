"""What can go wrong with work at a provider beyond the platform's own errors."""

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class ResponseTooLargeError(PlatformError):
    """An answer that was not read to its end; asking again would end alike."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the provider's answer has more than {max_bytes} bytes", is_final=True)


class UnusableResultError(PlatformError):
    """The work is done and paid for, and we cannot use what came of it.

    That is our refusal and not the provider's failure: it is bought no second time, from nobody,
    and says nothing about the provider.

    Args:
        why: the limit that the answer breaks.
    """

    category = ErrorCategory.VALIDATION

    def __init__(self, why: str) -> None:
        super().__init__(f"the work is done, but its result cannot be used: {why}", is_final=True)


class WorkCancelled(PlatformError):  # noqa: N818 — says what happened; it is no fault
    """The work was cancelled; the message says what the provider answered to that."""

    category = ErrorCategory.CANCELLED
