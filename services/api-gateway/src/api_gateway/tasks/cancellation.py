"""Cancelling a task: what waits is cancelled at once, what runs by its run, truthfully."""

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
    RunUnreachableError,
    cancel_run,
    cancel_step,
    wait_until_closed,
)

CLOSE_TIMEOUT_S = 15.0
"""How long a deletion waits for the run to let go; a denoise step or tile is shorter."""


async def cancel_task(res: Resources, caller: Principal, task_id: UUID) -> Task:
    """Cancel a task; again is the same as once.

    Returns:
        The record as it stands: a running task is CANCELLED once its worker has stopped.

    Raises:
        Problem: 404; 409, it has completed or failed; 503, Temporal does not answer.
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
    await _tell_run(res, task, is_needed=not is_waiting)
    if is_waiting:
        return task
    if task.workflow_id is None:
        await wait_until_closed(
            res.temporal, task.temporal_id, timeout_s=res.settings.cancel_wait_s
        )
    async with res.sessions() as session:
        return await find_task(session, caller.scope, task_id) or task


async def lock_task(session: AsyncSession, caller: Principal, task_id: UUID) -> Task:
    """A task that the caller may see, locked for the transaction.

    Raises:
        Problem: 404.
    """
    task = await find_task(session, caller.scope, task_id, lock=True)
    if task is None:
        raise not_found(f"task {task_id}")
    return task


async def end_before_removal(res: Resources, caller: Principal, task_id: UUID) -> Task:
    """Cancel a task that still runs, and wait until nothing writes its files any more.

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
    if task.workflow_id is None and not await wait_until_closed(
        res.temporal, task.temporal_id, timeout_s=CLOSE_TIMEOUT_S
    ):
        message = f"task {task_id} is still being cancelled; try again in a moment"
        raise Problem(409, "conflict", message)
    return task


async def release_run(res: Resources, task: Task) -> None:
    """Stop the run of a task whose record has been ended by hand; a step's run goes on by it."""
    if task.workflow_id is None:
        await _tell_run(res, task, is_needed=False)


async def _tell_run(res: Resources, task: Task, *, is_needed: bool) -> None:
    try:
        if task.workflow_id is not None and task.step_id is not None:
            await cancel_step(res.temporal, task.temporal_id, task.step_id)
        else:
            await cancel_run(res.temporal, task.temporal_id)
    except RunUnreachableError as error:
        # What the records say already, the reconciler tells Temporal later.
        if is_needed:
            raise unavailable("Temporal") from error


def _has_ended(task: Task) -> Problem:
    return Problem(409, "conflict", f"task {task.id} is {task.status}; it can no longer change")
