"""Classification of failures: error category, lost worker, unsupported task, unknown submission."""

from dataclasses import dataclass, field

from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import (
    CROWDED,
    REPLY_UNFIT,
    SUBMISSION_UNKNOWN,
    UNSERVED,
    WORK_DROPPED,
    WORKER_LOST,
)
from shared.contracts.service_requests import CallReport
from shared.contracts.untrusted import clean_text, describe_error

_UNKNOWN_ACTIVITY = "NotFoundError"
"""Failure type that Temporal's worker reports for an activity it has not registered."""

_SUBMISSION = "submit_work"


@dataclass(frozen=True)
class Failure:
    """A classified failure of an attempt."""

    message: str
    category: ErrorCategory
    is_worker_lost: bool = False
    is_unserved: bool = False
    """The worker does not support the task: the attempt was not tried at all."""
    is_crowded: bool = False
    """The worker had no place for the work: the attempt was not started and is retried later."""
    is_final: bool = False
    """The work may have been accepted and charged: no retry and no fallback may follow."""
    is_of_request: bool = False
    """The request is the cause, whatever the category: it does not count against the provider."""
    retry_after_s: float | None = None
    calls: CallReport = field(default_factory=CallReport)


class RemoteFailureError(Exception):
    """The attempt failed, or was cancelled, after it had been submitted or may have been."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def read_failure(error: ActivityError) -> Failure:
    """Classify the failure of an activity; the category decides about retries."""
    cause = error.cause
    if isinstance(cause, TemporalTimeoutError):
        return _timed_out(cause, is_submission=error.activity_type == _SUBMISSION)
    if isinstance(cause, ApplicationError):
        return _raised(cause)
    return Failure(clean_text(str(cause or error)), ErrorCategory.INTERNAL)


def read_error(error: Exception) -> Failure:
    """Classify any exception; the failure of a local activity arrives unwrapped."""
    if isinstance(error, ActivityError):
        return read_failure(error)
    if isinstance(error, ApplicationError):
        return _raised(error)
    return Failure(describe_error(error), ErrorCategory.INTERNAL)


def _timed_out(cause: TemporalTimeoutError, *, is_submission: bool) -> Failure:
    is_silent = cause.type == TimeoutType.HEARTBEAT
    if is_submission:
        why = "the worker stopped sending heartbeats" if is_silent else "the time limit ran out"
        return Failure(
            f"{why} during the submission; the provider may have accepted the work, so it is not"
            " submitted again",
            ErrorCategory.PROVIDER_ERROR,
            is_final=True,
        )
    if is_silent:
        message = "the worker stopped sending heartbeats"
        return Failure(message, ErrorCategory.INTERNAL, is_worker_lost=True)
    return Failure("the attempt exceeded its time limit", ErrorCategory.TIMEOUT)


_NAMED = {
    REPLY_UNFIT: ErrorCategory.PROVIDER_ERROR,
    SUBMISSION_UNKNOWN: ErrorCategory.PROVIDER_ERROR,
    WORK_DROPPED: ErrorCategory.TIMEOUT,
}


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
        _NAMED.get(cause.type or "") or _category(cause.type),
        is_final=is_unknown,
        is_of_request=cause.type == REPLY_UNFIT,
        retry_after_s=delay.total_seconds() if delay else None,
        calls=CallReport.from_details(cause.details),
    )


def _category(name: str | None) -> ErrorCategory:
    known = name is not None and name in ErrorCategory.__members__
    return ErrorCategory[name] if known and name else ErrorCategory.INTERNAL
