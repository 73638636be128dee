"""Reads the failure of an attempt: its category, and whether only the worker was lost."""

from dataclasses import dataclass

from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import CROWDED, SUBMISSION_UNKNOWN, UNSERVED, WORKER_LOST
from shared.contracts.submissions import ServiceRequest
from shared.contracts.untrusted import clean_text, describe_error

_UNKNOWN_ACTIVITY = "NotFoundError"
"""The type that Temporal's worker gives to the failure of an activity it has not registered."""

_SUBMISSION = "submit_work"


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed."""

    message: str
    category: ErrorCategory
    is_worker_lost: bool = False
    is_unserved: bool = False
    """The worker that took the attempt cannot do it: it was not tried at all."""
    is_crowded: bool = False
    """It was not begun, since its tenant has its share under way: its run waits and comes again."""
    is_final: bool = False
    """The work may have been taken and charged for: it is given neither again nor to another."""
    retry_after_s: float | None = None
    service_requests: tuple[ServiceRequest, ...] = ()


def read_failure(error: ActivityError) -> Failure:
    """Turn what Temporal reports of an attempt into a category that decides about retries."""
    cause = error.cause
    if isinstance(cause, TemporalTimeoutError):
        return _timed_out(cause, is_submission=error.activity_type == _SUBMISSION)
    if isinstance(cause, ApplicationError):
        return _raised(cause)
    return Failure(clean_text(str(cause or error)), ErrorCategory.INTERNAL)


def read_error(error: Exception) -> Failure:
    """The same of whatever was raised: a local activity's failure comes unwrapped."""
    if isinstance(error, ActivityError):
        return read_failure(error)
    if isinstance(error, ApplicationError):
        return _raised(error)
    return Failure(describe_error(error), ErrorCategory.INTERNAL)


def _timed_out(cause: TemporalTimeoutError, *, is_submission: bool) -> Failure:
    is_silent = cause.type == TimeoutType.HEARTBEAT
    if is_submission:
        why = "its worker stopped answering" if is_silent else "it took too long"
        return Failure(
            f"the work may have been submitted when {why}; it is not submitted again",
            ErrorCategory.PROVIDER_ERROR,
            is_final=True,
        )
    if is_silent:
        return Failure("the worker stopped answering", ErrorCategory.INTERNAL, is_worker_lost=True)
    return Failure("the attempt took longer than it may", ErrorCategory.TIMEOUT)


def _raised(cause: ApplicationError) -> Failure:
    message = clean_text(cause.message)
    if cause.type == WORKER_LOST:
        return Failure(message, ErrorCategory.INTERNAL, is_worker_lost=True)
    if cause.type in {_UNKNOWN_ACTIVITY, UNSERVED}:
        return Failure(message, ErrorCategory.INTERNAL, is_unserved=True)
    if cause.type == CROWDED:
        return Failure(message, ErrorCategory.INTERNAL, is_crowded=True)
    is_unknown = cause.type == SUBMISSION_UNKNOWN
    delay = cause.next_retry_delay
    return Failure(
        message,
        ErrorCategory.PROVIDER_ERROR if is_unknown else _category(cause.type),
        is_final=is_unknown,
        retry_after_s=delay.total_seconds() if delay else None,
        service_requests=tuple(map(ServiceRequest.model_validate, cause.details)),
    )


def _category(name: str | None) -> ErrorCategory:
    known = name is not None and name in ErrorCategory.__members__
    return ErrorCategory[name] if known and name else ErrorCategory.INTERNAL
