"""Deleting a task with its files, or its files alone.

The records say first that the files are gone, and note their folder, in one transaction; then the
objects go. What a crash leaves of them, and what a worker that was lost comes to write there, the
sweep removes.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

import structlog
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem
from api_gateway.resources import Resources
from api_gateway.tasks.cancellation import end_before_removal
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.service import get_task
from shared.contracts.enums import TASK_ENDED, TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.loose_objects import note_loose
from shared.db.repositories.object_use import are_folders_in_use, is_step_of_open_workflow
from shared.db.repositories.tasks import TaskRow, forget_objects, mark_deleted, remove_tasks
from shared.errors import StorageError

_log = structlog.stdlib.get_logger(__name__)


class TaskCleanup(BaseModel):
    """What a cleanup did."""

    task_id: UUID
    cleaned: bool
    deleted_paths: list[str] = Field(description="Paths of the files that are gone")


async def delete_task(res: Resources, caller: Principal, task_id: UUID) -> TaskPublicBase:
    """Remove a task and everything of it.

    Returns:
        The record as it was last.

    Raises:
        Problem: 404; 409, it does not end, or other work reads its files.
    """
    task = await _end(res, caller, task_id)
    await remove_files(res, [task], await files_of(res, task), remove_tasks)
    return present_task(task)


async def clean_up_task(res: Resources, caller: Principal, task_id: UUID) -> TaskCleanup:
    """Remove a task's files; its record stays, hidden from lists.

    Raises:
        Problem: 404; 409, it does not end, or other work reads its files.
    """
    task = await _end(res, caller, task_id)
    paths = await files_of(res, task)
    await remove_files(res, [task], paths, mark_deleted)
    return TaskCleanup(task_id=task.id, cleaned=True, deleted_paths=paths)


async def demand_unused(
    session: AsyncSession, tasks: Sequence[Task | TaskRow], workflow_id: UUID | None = None
) -> None:
    """Refuse to remove files that other work reads, as a single picture is refused.

    Args:
        session: for a lasting answer, has removed their rows.
        tasks: whose files they are.
        workflow_id: a workflow that goes as a whole; none: they go alone.

    Raises:
        Problem: 409.
    """
    if not tasks:
        return
    if workflow_id is None:
        await _demand_ended_workflows(session, tasks)
    ids, folders = [task.id for task in tasks], [_folder(task) for task in tasks]
    if await are_folders_in_use(session, folders, excluding=ids, workflow_id=workflow_id):
        whose = f"of task {ids[0]}" if workflow_id is None else f"of workflow {workflow_id}"
        message = f"work that has not ended reads files {whose}; wait for it, or cancel it"
        raise Problem(409, "in_use", message)


async def _demand_ended_workflows(session: AsyncSession, tasks: Sequence[Task | TaskRow]) -> None:
    for task in tasks:
        if await is_step_of_open_workflow(session, task.id):
            message = (
                f"task {task.id} is the step {task.step_id!r} of workflow {task.workflow_id}, which"
                " has not ended; cancel the workflow, or clean it up as a whole"
            )
            raise Problem(409, "conflict", message)


async def files_of(res: Resources, task: Task) -> list[str]:
    """The keys of every object in a task's folder."""
    return [found.key for found in await res.objects.list(_folder(task))]


async def remove_files(
    res: Resources,
    tasks: Sequence[Task],
    keys: Sequence[str],
    write: Callable[[AsyncSession, Collection[UUID]], Awaitable[None]],
    workflow_id: UUID | None = None,
) -> None:
    """Remove everything in the folders of tasks that have ended.

    Args:
        res: the gateway's connections.
        tasks: whose folders go.
        keys: what lies there now.
        write: what becomes of the tasks' records.
        workflow_id: a workflow that goes as a whole.

    Raises:
        Problem: 409, other work reads them.
    """
    if not tasks:
        return
    ids = [task.id for task in tasks]
    async with res.sessions.begin() as session:
        await forget_objects(session, ids)
        # Who held one of the rows that are gone now has committed, and is seen.
        await demand_unused(session, tasks, workflow_id)
        await note_loose(session, [_folder(task) for task in tasks])
        await write(session, ids)
    try:
        for key in keys:
            await res.objects.delete(key)
    except StorageError as error:
        _log.warning("files_left_to_the_sweep", tasks=ids, exc_info=error)


async def _end(res: Resources, caller: Principal, task_id: UUID) -> Task:
    task = await get_task(res, caller, task_id)
    if task.status not in TASK_ENDED:
        # Before it is cancelled: what is refused changes nothing.
        async with res.sessions() as session:
            await demand_unused(session, [task])
    return await end_before_removal(res, caller, task_id)


def _folder(task: Task | TaskRow) -> str:
    return f"{TASK_TYPES[TaskType(task.task_type)].task_folder(task.id)}/"
