"""The platform's errors: each knows its category, and from that whether a retry can help."""

from shared.contracts.enums import ErrorCategory


class PlatformError(Exception):
    """A failure with a category.

    Args:
        message: what happened and, where we know it, what would be right.
        category: decides retries and fallback (`shared.contracts.failures`).
        retry_after_s: the least wait before another try, if the other side named one.
    """

    category = ErrorCategory.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        category: ErrorCategory | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.category = category or type(self).category
        self.retry_after_s = retry_after_s


class InvalidInputError(PlatformError):
    """The request cannot be done as it stands; no retry helps."""

    category = ErrorCategory.VALIDATION


class StorageError(PlatformError):
    """Object storage did not answer, or answered with a fault of its own."""

    category = ErrorCategory.STORAGE


class ResourceError(PlatformError):
    """The worker ran out of memory or of another resource."""

    category = ErrorCategory.RESOURCE


class ConsistencyError(PlatformError):
    """A tile never passed its checks, and strict checks were asked for."""

    category = ErrorCategory.CONSISTENCY_CHECK


class ObjectNotFoundError(PlatformError):
    """There is no object under that key; no retry helps."""

    category = ErrorCategory.VALIDATION
