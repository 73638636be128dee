"""The platform's errors: each knows its category, and from that whether a retry can help."""

from collections.abc import Sequence

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import CROWDED, SUBMISSION_UNKNOWN, UNSERVED
from shared.contracts.submissions import ServiceRequest
from shared.contracts.untrusted import clean_text


class PlatformError(Exception):
    """A failure with a category.

    Args:
        message: what happened and, where we know it, what would be right; it may quote anybody.
        category: decides retries and fallback (`shared.contracts.failures`).
        retry_after_s: the least wait before another try, if the other side named one.
        is_final: another try of the same activity would end alike, though another attempt at the
            task may not.
        service_requests: the calls to outside services that led here, for the record.
    """

    category = ErrorCategory.INTERNAL
    failure_type: str | None = None
    """Where the workflow must tell it from others of its category (`shared.contracts.failures`)."""

    def __init__(
        self,
        message: str,
        *,
        category: ErrorCategory | None = None,
        retry_after_s: float | None = None,
        is_final: bool = False,
        service_requests: Sequence[ServiceRequest] = (),
    ) -> None:
        super().__init__(clean_text(message))
        self.category = category or type(self).category
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.service_requests = tuple(service_requests)


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


class UnservedError(PlatformError):
    """This worker cannot do the work yet; it waits for one that can."""

    failure_type = UNSERVED


class TenantLimitError(PlatformError):
    """The tenant has so many of these under way here that this one is to come again."""

    failure_type = CROWDED

    def __init__(self) -> None:
        super().__init__("the tenant's others come first", is_final=True)


class SubmissionUnknownError(PlatformError):
    """The answer to a paid submission was lost: it may have been taken, and is not sent again."""

    category = ErrorCategory.PROVIDER_ERROR
    failure_type = SUBMISSION_UNKNOWN
