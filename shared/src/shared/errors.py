"""Exceptions of the platform. Each has an error category, which decides on retry and fallback."""

from collections.abc import Sequence

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import CROWDED, SUBMISSION_UNKNOWN, UNSERVED, WORK_DROPPED
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.contracts.untrusted import clean_text


class PlatformError(Exception):
    """A failure with a category.

    Args:
        message: the cause and, if known, the remedy. It may quote untrusted text; it is cleaned.
        category: decides on retry and fallback (`shared.contracts.failures`).
        retry_after_s: minimal delay before a retry, if the remote side asked for one.
        is_final: Temporal does not retry the activity. The task may still have another attempt.
        service_requests: the calls to outside services before the failure, for the record.
        billed: the units that they billed all the same.
    """

    category = ErrorCategory.INTERNAL
    failure_type: str | None = None
    """Failure type, if workflows distinguish it from its category (`shared.contracts.failures`)."""

    def __init__(
        self,
        message: str,
        *,
        category: ErrorCategory | None = None,
        retry_after_s: float | None = None,
        is_final: bool = False,
        service_requests: Sequence[ServiceRequest] = (),
        billed: Sequence[BilledUnits] = (),
    ) -> None:
        super().__init__(clean_text(message))
        self.category = category or type(self).category
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.service_requests = tuple(service_requests)
        self.billed = tuple(billed)


class InvalidInputError(PlatformError):
    """The request is invalid. A retry does not help."""

    category = ErrorCategory.VALIDATION


class StorageError(PlatformError):
    """The object store did not respond, or responded with an error."""

    category = ErrorCategory.STORAGE


class ResourceError(PlatformError):
    """The worker ran out of memory or of another resource."""

    category = ErrorCategory.RESOURCE


class ConsistencyError(PlatformError):
    """A tile never passed its checks, and the request has strict checks."""

    category = ErrorCategory.CONSISTENCY_CHECK


class ObjectNotFoundError(PlatformError):
    """There is no object with this key. A retry does not help."""

    category = ErrorCategory.VALIDATION


class UnservedError(PlatformError):
    """This worker cannot run the work yet. The work waits for a worker that can."""

    failure_type = UNSERVED


class CrowdedError(PlatformError):
    """This process has no place for the work now. It was not started, and is retried later."""

    failure_type = CROWDED

    def __init__(self, message: str) -> None:
        super().__init__(message, is_final=True)


class TenantLimitError(CrowdedError):
    """The tenant already uses its whole share of this process."""

    def __init__(self) -> None:
        super().__init__("the tenant already uses its share of this worker")


class WorkDroppedError(PlatformError):
    """The provider dropped work that did not start in time. The attempt is retried."""

    category = ErrorCategory.TIMEOUT
    failure_type = WORK_DROPPED


class SubmissionUnknownError(PlatformError):
    """The response to a paid submission was lost. It may have been accepted: it is not retried."""

    category = ErrorCategory.PROVIDER_ERROR
    failure_type = SUBMISSION_UNKNOWN
