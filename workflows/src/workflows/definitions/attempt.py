"""One attempt of a task: the activity of its type, on the queue of its provider."""

from typing import Any

from temporalio import workflow
from temporalio.common import Priority

from shared.contracts.attempts import AttemptResult
from shared.contracts.message import Message
from shared.contracts.picture_objects import with_object_keys
from shared.contracts.providers import PROVIDERS
from shared.contracts.runs import TaskRun
from shared.contracts.task_types.row import OwnActivity
from shared.contracts.task_types.table import TASK_TYPES
from workflows.definitions.attempt_log import AttemptLog
from workflows.definitions.remote import run_remote_attempt
from workflows.policies import HEARTBEAT_TIMEOUT, ONE_ATTEMPT, priority_key


def _request(run: TaskRun, attempt: int, own: OwnActivity) -> Message:
    fields: dict[str, Any] = {
        "task_id": run.task_id,
        "attempt": attempt,
        "provider_type": run.provider_type,
        "provider_config": run.provider_config,
        "owner": run.owner,
        "inputs": with_object_keys(run.task_type, run.inputs),
    }
    if own.config_as:
        fields[own.config_as] = run.provider_config
    return own.request.model_validate(fields)


async def run_attempt(run: TaskRun, log: AttemptLog, summary: str) -> AttemptResult:
    """Run one attempt to its end.

    Args:
        run: the task, complete.
        log: number of the attempt; a remote attempt adds its submission and requests to it.
        summary: text beside the activity in the Temporal UI.

    Raises:
        ActivityError: the attempt failed, or was cancelled.
        RemoteFailureError: it failed or was cancelled after an outside provider had the work.
        ValidationError: the task's inputs do not fit the message of its type.
    """
    priority = Priority() if run.priority is None else Priority(priority_key(run.priority))
    if PROVIDERS[run.provider_type].is_remote:
        return await run_remote_attempt(run, log, summary, priority)
    row = TASK_TYPES[run.task_type]
    assert row.activity is not None
    return await workflow.execute_activity_method(
        row.activity.method,
        _request(run, log.attempt, row.activity),
        task_queue=run.task_queue,
        start_to_close_timeout=row.start_to_close,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=ONE_ATTEMPT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        priority=priority,
        summary=summary,
    )
