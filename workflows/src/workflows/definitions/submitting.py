"""Submission of one attempt: repeated after a lost worker, withdrawn if it is cancelled then.

The worker's marks show what a lost worker has sent. A repeated submission returns its response, or
reports that it is unknown; nothing is sent twice.
"""

import asyncio

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import WORKER_LOST
from shared.contracts.runs import TaskRun
from shared.contracts.submissions import ProviderActivities, RemoteWork, Submission, Withdrawal
from shared.uninterrupted import is_cancelling, uninterrupted
from workflows.definitions.attempt_log import AttemptLog
from workflows.definitions.completion import completed
from workflows.definitions.failure import Failure, RemoteFailureError, read_failure
from workflows.policies import (
    HEARTBEAT_TIMEOUT,
    MAX_LOST_WORKERS,
    ONE_ATTEMPT,
    RECALL_TIMEOUT,
    WITHDRAW_RETRY,
    submit_repeat_s,
    submit_timeout,
)

_REPEATED = "lost-submissions-are-repeated"


async def submit(
    work: RemoteWork, run: TaskRun, log: AttemptLog, summary: str, priority: Priority
) -> Submission:
    """Submit the work of one attempt.

    Raises:
        ActivityError: the work was not submitted, or it is unknown whether it was.
        RemoteFailureError: every worker was lost, or one was, and the task is cancelled.
    """
    lost = 0
    while True:
        try:
            return await _try_once(work, run, summary, priority)
        except ActivityError as error:
            if not (lost or _is_lost(error)) or not workflow.patched(_REPEATED):
                raise
            if is_cancelling():
                raise await _recalled(work, run, log) from error
            if not _is_lost(error):
                raise
        lost += 1
        if lost > MAX_LOST_WORKERS:
            raise RemoteFailureError(_ALL_LOST)
        work = work.model_copy(update={"is_repeated": True})
        try:
            await workflow.sleep(submit_repeat_s(lost), summary="after a lost submission")
        except asyncio.CancelledError as error:
            raise await _recalled(work, run, log) from error


_ALL_LOST = Failure(
    "the workers were lost during every submission; the provider may have accepted the work, so it"
    " is not submitted again",
    ErrorCategory.PROVIDER_ERROR,
    is_final=True,
)


def _is_lost(error: ActivityError) -> bool:
    """Return true if the worker may have sent the request, and cannot tell."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.type == WORKER_LOST
    return isinstance(cause, TemporalTimeoutError)


async def _try_once(work: RemoteWork, run: TaskRun, summary: str, priority: Priority) -> Submission:
    submitting = workflow.start_activity_method(
        ProviderActivities.submit_work,
        work,
        task_queue=run.task_queue,
        start_to_close_timeout=submit_timeout(run.provider_type, run.task_type),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=ONE_ATTEMPT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        priority=priority,
        summary=f"{summary}: submit{', again' if work.is_repeated else ''}",
    )
    return await completed(submitting)


async def _recalled(work: RemoteWork, run: TaskRun, log: AttemptLog) -> RemoteFailureError:
    """Cancel what a lost worker may have submitted."""
    try:
        withdrawal = await uninterrupted(_recall(work, run))
    except ActivityError as error:
        message = (
            "a worker was lost while it submitted the work; the provider may have accepted it, and"
            f" it could not be withdrawn: {read_failure(error).message}"
        )
    else:
        if withdrawal.submission is not None:
            log.note_submission(withdrawal.submission)
        log.note_requests(withdrawal.service_requests, withdrawal.billed)
        message = withdrawal.message
    failure = Failure(f"cancelled; {message}", ErrorCategory.CANCELLED, is_final=True)
    return RemoteFailureError(failure)


async def _recall(work: RemoteWork, run: TaskRun) -> Withdrawal:
    return await workflow.execute_activity_method(
        ProviderActivities.recall_work,
        work,
        task_queue=run.task_queue,
        schedule_to_close_timeout=RECALL_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=WITHDRAW_RETRY,
        priority=Priority(priority_key=1),
        summary="recall a lost submission",
    )
