"""What can go wrong with work at a provider beyond the platform's own errors."""

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class WorkCancelled(PlatformError):  # noqa: N818 — says what happened; it is no fault
    """The work was cancelled; the message says what the provider answered to that."""

    category = ErrorCategory.CANCELLED
