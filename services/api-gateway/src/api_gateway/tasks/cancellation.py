"""Cancellation of tasks: at once if pending, by the run if it has begun."""

from contextlib import suppress
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, not_found, unavailable
from api_gateway.resources import Resources
from shared.contracts.enums import TASK_ENDED, TaskStatus
from shared.db.models.tables import Task
from shared.db.repositories.outcomes import outcome_of, write_task_outcome
from shared.db.repositories.tasks import find_task
from workflows.control import (
    RUN_TERMINATED,
    RunUnreachableError,
    Stop,
    cancel_run,
    cancel_step,
    keeps_failing,
    stop_run,
    terminate_run,
    wait_or_terminate,
)

CLOSE_TIMEOUT_S = 15.0
"""Seconds that a deletion waits for the run to close; a denoising step or tile is shorter."""


async def cancel_task(res: Resources, caller: Principal, task_id: UUID) -> Task:
    """Cancel a task; cancelling again changes nothing.

    Returns:
        The current record: a running task is CANCELLED only once its worker has stopped.

    Raises:
        Problem: 404; 409, it has completed or failed, or its workflow's run is stuck; 503, Temporal
            does not respond.
    """
    async with res.sessions.begin() as session:
        task = await lock_task(session, caller, task_id)
        if task.status == TaskStatus.CANCELLED:
            return task
        if task.status in TASK_ENDED:
            raise _has_ended(task)
        is_waiting = task.status == TaskStatus.PENDING
        if is_waiting:
            await write_task_outcome(session, outcome_of(task, TaskStatus.CANCELLED))
    if is_waiting:
        await _notify_run(res, task)
        return task
    try:
        await _stop(res, task)
    except RunUnreachableError as error:
        raise unavailable("Temporal") from error
    async with res.sessions() as session:
        return await find_task(session, caller.scope, task_id) or task


async def lock_task(session: AsyncSession, caller: Principal, task_id: UUID) -> Task:
    """Return a task that the caller may see, locked for the transaction.

    Raises:
        Problem: 404.
    """
    task = await find_task(session, caller.scope, task_id, lock=True)
    if task is None:
        raise not_found(f"task {task_id}")
    return task


async def end_before_removal(res: Resources, caller: Principal, task_id: UUID) -> Task:
    """Cancel a task that still runs, and wait until no worker writes its files any more.

    Raises:
        Problem: 404; 409, it does not end, or belongs to a workflow that still runs.
    """
    async with res.sessions() as session:
        task = await find_task(session, caller.scope, task_id)
    if task is None:
        raise not_found(f"task {task_id}")
    if task.status not in TASK_ENDED:
        if task.workflow_id is not None:
            message = (
                f"task {task_id} is the step {task.step_id!r} of workflow {task.workflow_id}, which"
                " has not ended; cancel the workflow, or clean it up as a whole"
            )
            raise Problem(409, "conflict", message)
        task = await cancel_task(res, caller, task_id)
    if task.workflow_id is None and not await has_closed_run(res, task.temporal_id):
        message = f"task {task_id} is still being cancelled; try again in a moment"
        raise Problem(409, "conflict", message)
    return task


async def has_closed_run(res: Resources, temporal_id: str) -> bool:
    """Return whether the run of an ended record closes in time; a stuck one is terminated."""
    try:
        return await wait_or_terminate(res.temporal, temporal_id, timeout_s=CLOSE_TIMEOUT_S)
    except RunUnreachableError:
        return False


async def release_run(res: Resources, task: Task) -> None:
    """Stop the run of a task whose record a client has ended; a step's run continues by itself."""
    if task.workflow_id is None:
        await _notify_run(res, task)


async def _stop(res: Resources, task: Task) -> None:
    """Stop a run, and end the record of a stuck one."""
    if task.workflow_id is not None and task.step_id is not None:
        await cancel_step(res.temporal, task.temporal_id, task.step_id)
        if await keeps_failing(res.temporal, task.temporal_id):
            message = (
                f"the task is a step of workflow {task.workflow_id}, whose run is stuck; cancel"
                " the workflow"
            )
            raise Problem(409, "conflict", message)
        return
    stop = await stop_run(res.temporal, task.temporal_id, within_s=res.settings.cancel_wait_s)
    if stop is Stop.UNRESPONSIVE:
        async with res.sessions.begin() as session:
            fresh = await session.get(Task, task.id, with_for_update=True) or task
            outcome = outcome_of(fresh, TaskStatus.CANCELLED, error=RUN_TERMINATED)
            await write_task_outcome(session, outcome)
        with suppress(RunUnreachableError):  # the reconciler terminates it later
            await terminate_run(res.temporal, task.temporal_id)


async def _notify_run(res: Resources, task: Task) -> None:
    """Notify a run of the record's status; if that fails, the reconciler does it later."""
    with suppress(RunUnreachableError):
        if task.workflow_id is not None and task.step_id is not None:
            await cancel_step(res.temporal, task.temporal_id, task.step_id)
        else:
            await cancel_run(res.temporal, task.temporal_id)


def _has_ended(task: Task) -> Problem:
    return Problem(409, "conflict", f"task {task.id} is {task.status}; it can no longer change")
