"""Reads the failure of an attempt: its category, and whether only the worker was lost."""

from dataclasses import dataclass

from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import WORKER_LOST

_UNKNOWN_ACTIVITY = "NotFoundError"
"""The type that Temporal's worker gives to the failure of an activity it has not registered."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed."""

    message: str
    category: ErrorCategory
    is_worker_lost: bool = False
    is_unserved: bool = False
    """The worker that took the attempt does not know its activity: it was not tried at all."""
    retry_after_s: float | None = None


def read_failure(error: ActivityError) -> Failure:
    """Turn what Temporal reports of an attempt into a category that decides about retries."""
    cause = error.cause
    if isinstance(cause, TemporalTimeoutError):
        if cause.type == TimeoutType.HEARTBEAT:
            return Failure(
                "the worker stopped answering", ErrorCategory.INTERNAL, is_worker_lost=True
            )
        return Failure("the attempt took longer than it may", ErrorCategory.TIMEOUT)
    if isinstance(cause, ApplicationError):
        if cause.type == WORKER_LOST:
            return Failure(cause.message, ErrorCategory.INTERNAL, is_worker_lost=True)
        if cause.type == _UNKNOWN_ACTIVITY:
            return Failure(cause.message, ErrorCategory.INTERNAL, is_unserved=True)
        delay = cause.next_retry_delay
        return Failure(
            cause.message,
            _category(cause.type),
            retry_after_s=delay.total_seconds() if delay else None,
        )
    return Failure(str(cause or error), ErrorCategory.INTERNAL)


def _category(name: str | None) -> ErrorCategory:
    known = name is not None and name in ErrorCategory.__members__
    return ErrorCategory[name] if known and name else ErrorCategory.INTERNAL
