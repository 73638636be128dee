"""One attempt at an outside provider: submit once, wait, withdraw on cancellation."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, ApplicationError

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import WORK_DROPPED
from shared.contracts.picture_objects import with_object_keys
from shared.contracts.runs import TaskRun
from shared.contracts.submissions import (
    ProviderActivities,
    RemoteResult,
    RemoteWork,
    SubmittedWork,
    Withdrawal,
)
from shared.contracts.task_types.table import TASK_TYPES
from shared.uninterrupted import is_cancelling, uninterrupted
from workflows.definitions.attempt_log import AttemptLog
from workflows.definitions.failure import Failure, RemoteFailureError, read_failure
from workflows.definitions.recording import record_account
from workflows.definitions.submitting import submit
from workflows.policies import AWAIT_RETRY, HEARTBEAT_TIMEOUT, WITHDRAW_RETRY, WITHDRAW_TIMEOUT

_WAIT = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
_SLACK = timedelta(minutes=1)
"""Extra time, so that the worker ends a wait by itself before Temporal does."""


async def run_remote_attempt(
    run: TaskRun, log: AttemptLog, summary: str, priority: Priority
) -> RemoteResult:
    """Submit the work, record its id, and wait for its result.

    Raises:
        ActivityError: the work was not submitted, or it is unknown whether it was.
        RemoteFailureError: the work was submitted, and failed or was cancelled.
    """
    work = RemoteWork(
        task_id=run.task_id,
        attempt=log.attempt,
        task_type=run.task_type,
        provider_type=run.provider_type,
        provider_config=run.provider_config,
        inputs=with_object_keys(run.task_type, run.inputs),
        folder=run.folder,
    )
    submission = await submit(work, run, log, summary, priority)
    log.note_submission(submission)
    submitted = SubmittedWork(
        **dict(work),
        submission=submission,
        timeout_s=TASK_TYPES[run.task_type].start_to_close.total_seconds(),
    )
    if is_cancelling():
        raise await _withdrawn(submitted, run, log, "cancelled", ErrorCategory.CANCELLED)
    await record_account(log.written())
    if is_cancelling():  # requested while the id was written
        raise await _withdrawn(submitted, run, log, "cancelled", ErrorCategory.CANCELLED)
    return await _await(submitted, run, log, summary)


async def _await(
    submitted: SubmittedWork, run: TaskRun, log: AttemptLog, summary: str
) -> RemoteResult:
    try:
        return await workflow.execute_activity_method(
            ProviderActivities.await_work,
            submitted,
            task_queue=run.task_queue,
            start_to_close_timeout=TASK_TYPES[run.task_type].start_to_close + _SLACK,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=AWAIT_RETRY,
            cancellation_type=_WAIT,
            priority=Priority(priority_key=1),  # a wait delays no other work
            summary=f"{summary}: wait for {submitted.submission.request_id}",
        )
    except ActivityError as error:
        raise await _failed(error, submitted, run, log) from error


async def _failed(
    error: ActivityError, submitted: SubmittedWork, run: TaskRun, log: AttemptLog
) -> RemoteFailureError:
    failure = read_failure(error)
    if failure.category == ErrorCategory.CANCELLED:  # the worker has withdrawn the work already
        return RemoteFailureError(failure)
    if _has_ended(error, failure) and not is_cancelling():
        return RemoteFailureError(failure)
    log.note_requests(failure.calls.service_requests, failure.calls.billed)
    if is_cancelling():
        return await _withdrawn(submitted, run, log, "cancelled", ErrorCategory.CANCELLED)
    return await _withdrawn(submitted, run, log, failure.message, failure.category)


_ERRORS_OF_THE_WAIT = {
    ErrorCategory.TIMEOUT,
    ErrorCategory.AUTHENTICATION,
    ErrorCategory.QUOTA_EXCEEDED,
}


def _has_ended(error: ActivityError, failure: Failure) -> bool:
    """Return true if the provider reported that the work failed.

    Otherwise only the wait failed: the provider may still do the work and charge for it, and would
    charge for another submission as well.
    """
    cause = error.cause
    if not isinstance(cause, ApplicationError) or not cause.non_retryable:
        return False
    is_of_the_wait = failure.is_final or failure.category in _ERRORS_OF_THE_WAIT
    return cause.type == WORK_DROPPED or not is_of_the_wait


async def _withdrawn(
    submitted: SubmittedWork,
    run: TaskRun,
    log: AttemptLog,
    why: str,
    category: ErrorCategory,
) -> RemoteFailureError:
    """Cancel the work at the provider; a retry may follow only if the provider confirms it."""
    try:
        withdrawal = await uninterrupted(_withdraw(submitted, run))
        log.note_requests(withdrawal.service_requests, withdrawal.billed)
        is_final, message = not withdrawal.is_withdrawn, withdrawal.message
    except ActivityError as error:
        is_final, message = True, f"the work could not be withdrawn: {read_failure(error).message}"
    return RemoteFailureError(Failure(f"{why}; {message}", category, is_final=is_final))


async def _withdraw(submitted: SubmittedWork, run: TaskRun) -> Withdrawal:
    return await workflow.execute_activity_method(
        ProviderActivities.withdraw_work,
        submitted,
        task_queue=run.task_queue,
        schedule_to_close_timeout=WITHDRAW_TIMEOUT,
        retry_policy=WITHDRAW_RETRY,
        priority=Priority(priority_key=1),
        summary=f"withdraw {submitted.submission.request_id}",
    )
