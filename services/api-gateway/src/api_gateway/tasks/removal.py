"""Deleting a task with its files, or its files alone.

The records say first that the files are gone, and note their folder, in one transaction; then the
objects go. What a crash leaves of them, and what a worker that was lost comes to write there, the
sweep removes.
"""

from collections.abc import Awaitable, Callable
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
from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.loose_objects import note_loose
from shared.db.repositories.tasks import TaskRow, forget_objects, mark_deleted, remove_task
from shared.db.repositories.uses import is_folder_in_use, is_step_of_open_workflow
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
    await _remove_files(res, task, remove_task)
    return present_task(task)


async def clean_up_task(res: Resources, caller: Principal, task_id: UUID) -> TaskCleanup:
    """Remove a task's files; its record stays, hidden from lists.

    Raises:
        Problem: 404; 409, it does not end, or other work reads its files.
    """
    return await clean_up_files(res, await _end(res, caller, task_id))


async def clean_up_files(
    res: Resources, task: Task, *, workflow_id: UUID | None = None
) -> TaskCleanup:
    """Remove the files of a task that has ended, and mark its record.

    Args:
        res: the gateway's connections.
        task: one that has ended.
        workflow_id: a workflow whose other tasks go as well, whatever they read.

    Raises:
        Problem: 409, other work reads them.
    """
    paths = await _remove_files(res, task, mark_deleted, workflow_id)
    return TaskCleanup(task_id=task.id, cleaned=True, deleted_paths=paths)


async def demand_unused(
    session: AsyncSession, task: Task | TaskRow, workflow_id: UUID | None = None
) -> None:
    """Refuse to remove files that other work reads, as a single picture is refused.

    Args:
        session: for a lasting answer, has removed their rows.
        task: whose files they are.
        workflow_id: a workflow that goes as a whole.

    Raises:
        Problem: 409.
    """
    if workflow_id is None and await is_step_of_open_workflow(session, task.id):
        message = (
            f"task {task.id} is the step {task.step_id!r} of workflow {task.workflow_id}, which"
            " has not ended; cancel the workflow, or clean it up as a whole"
        )
        raise Problem(409, "conflict", message)
    if await is_folder_in_use(session, _folder(task), besides=task.id, workflow_id=workflow_id):
        message = (
            f"work that has not ended reads files of task {task.id}; wait for it, or cancel it"
        )
        raise Problem(409, "in_use", message)


async def _end(res: Resources, caller: Principal, task_id: UUID) -> Task:
    # Before it is cancelled: what is refused changes nothing.
    task = await get_task(res, caller, task_id)
    async with res.sessions() as session:
        await demand_unused(session, task)
    return await end_before_removal(res, caller, task_id)


async def _remove_files(
    res: Resources,
    task: Task,
    write: Callable[[AsyncSession, UUID], Awaitable[None]],
    workflow_id: UUID | None = None,
) -> list[str]:
    """Remove every object in the task's folder; answers their keys."""
    folder = _folder(task)
    keys = [found.key for found in await res.objects.list(folder)]
    async with res.sessions.begin() as session:
        await forget_objects(session, task.id)
        # Whoever has held one of the rows that are gone now is seen here.
        await demand_unused(session, task, workflow_id)
        await note_loose(session, [folder])
        await write(session, task.id)
    try:
        for key in keys:
            await res.objects.delete(key)
    except StorageError as error:
        _log.warning("files_left_to_the_sweep", folder=folder, exc_info=error)
    return keys


def _folder(task: Task | TaskRow) -> str:
    return f"{TASK_TYPES[TaskType(task.task_type)].task_folder(task.id)}/"
