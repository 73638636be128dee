"""Deletion of tasks with their files, or of the files alone.

One transaction removes the files from the records and notes their folder; then the objects are
deleted. The sweep removes what a crash leaves there, and what a lost worker writes there later.
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
from shared.contracts.submission_marks import is_mark
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.loose_objects import note_loose
from shared.db.repositories.object_use import are_folders_in_use, is_step_of_open_workflow
from shared.db.repositories.tasks import TaskRow, forget_objects, mark_deleted, remove_tasks
from shared.errors import StorageError

_log = structlog.stdlib.get_logger(__name__)


class TaskCleanup(BaseModel):
    """Result of a task's cleanup."""

    task_id: UUID
    cleaned: bool
    deleted_paths: list[str] = Field(description="Paths of the deleted files")


async def delete_task(res: Resources, caller: Principal, task_id: UUID) -> TaskPublicBase:
    """Delete a task with all its files.

    Returns:
        The last state of the record.

    Raises:
        Problem: 404; 409, it does not end, or other work reads its files.
    """
    task = await _end_task(res, caller, task_id)
    await remove_files(res, [task], await files_of(res, task), remove_tasks)
    return present_task(task)


async def clean_up_task(res: Resources, caller: Principal, task_id: UUID) -> TaskCleanup:
    """Delete a task's files; its record stays, hidden from lists.

    Raises:
        Problem: 404; 409, it does not end, or other work reads its files.
    """
    task = await _end_task(res, caller, task_id)
    paths = await files_of(res, task)
    await remove_files(res, [task], paths, mark_deleted)
    return TaskCleanup(task_id=task.id, cleaned=True, deleted_paths=shown_paths(paths))


async def require_unused_files(
    session: AsyncSession, tasks: Sequence[Task | TaskRow], workflow_id: UUID | None = None
) -> None:
    """Refuse to remove files that other work reads.

    Args:
        session: if the result must hold until the commit, it has removed the files' rows.
        tasks: owners of the files.
        workflow_id: the workflow that is removed as a whole; none: the tasks alone are.

    Raises:
        Problem: 409.
    """
    if not tasks:
        return
    if workflow_id is None:
        await _require_ended_workflows(session, tasks)
    ids, folders = [task.id for task in tasks], [_folder(task) for task in tasks]
    if await are_folders_in_use(session, folders, excluding=ids, workflow_id=workflow_id):
        whose = f"of task {ids[0]}" if workflow_id is None else f"of workflow {workflow_id}"
        message = f"work that has not ended reads files {whose}; wait for it, or cancel it"
        raise Problem(409, "in_use", message)


async def _require_ended_workflows(session: AsyncSession, tasks: Sequence[Task | TaskRow]) -> None:
    for task in tasks:
        if await is_step_of_open_workflow(session, task.id):
            message = (
                f"task {task.id} is the step {task.step_id!r} of workflow {task.workflow_id}, which"
                " has not ended; cancel the workflow, or clean it up as a whole"
            )
            raise Problem(409, "conflict", message)


async def files_of(res: Resources, task: Task) -> list[str]:
    """Return the keys of every object in a task's folder."""
    return [found.key for found in await res.objects.list(_folder(task))]


def shown_paths(keys: Sequence[str]) -> list[str]:
    """Return the keys that a client may know: all but the marks of paid submissions."""
    return [key for key in keys if not is_mark(key)]


async def remove_files(
    res: Resources,
    tasks: Sequence[Task],
    keys: Sequence[str],
    write: Callable[[AsyncSession, Collection[UUID]], Awaitable[None]],
    workflow_id: UUID | None = None,
) -> None:
    """Remove everything in the folders of ended tasks.

    Args:
        res: the gateway's connections.
        tasks: the tasks whose folders are removed.
        keys: the objects in those folders.
        write: updates or removes the tasks' records.
        workflow_id: the workflow that is removed as a whole, if any.

    Raises:
        Problem: 409, other work reads the files.
    """
    if not tasks:
        return
    ids = [task.id for task in tasks]
    async with res.sessions.begin() as session:
        await forget_objects(session, ids)
        # Work that had locked one of the removed rows has committed by now, and is visible.
        await require_unused_files(session, tasks, workflow_id)
        await note_loose(session, [_folder(task) for task in tasks])
        await write(session, ids)
    try:
        for key in keys:
            await res.objects.delete(key)
    except StorageError as error:
        _log.warning("files_left_to_the_sweep", tasks=ids, exc_info=error)


async def _end_task(res: Resources, caller: Principal, task_id: UUID) -> Task:
    task = await get_task(res, caller, task_id)
    if task.status not in TASK_ENDED:
        # Before the cancellation: a refused deletion must not change anything.
        async with res.sessions() as session:
            await require_unused_files(session, [task])
    return await end_before_removal(res, caller, task_id)


def _folder(task: Task | TaskRow) -> str:
    return f"{TASK_TYPES[TaskType(task.task_type)].task_folder(task.id)}/"
