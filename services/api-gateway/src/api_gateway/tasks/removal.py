"""Deleting a task with its files, or its files alone."""

from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.auth.principal import Principal
from api_gateway.resources import Resources
from api_gateway.tasks.cancellation import end_before_removal
from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.public import TaskPublicBase
from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.tasks import forget_objects, mark_deleted, remove_task


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
        Problem: 404; 409, it does not end.
    """
    task = await end_before_removal(res, caller, task_id)
    await delete_files(res, task)
    async with res.sessions.begin() as session:
        await forget_objects(session, task.id)
        await remove_task(session, task.id)
    return present_task(task)


async def clean_up_task(res: Resources, caller: Principal, task_id: UUID) -> TaskCleanup:
    """Remove a task's files; its record stays, hidden from lists.

    Raises:
        Problem: 404; 409, it does not end.
    """
    task = await end_before_removal(res, caller, task_id)
    return await clean_up_files(res, task)


async def clean_up_files(res: Resources, task: Task) -> TaskCleanup:
    """Remove the files of a task that has ended, and mark its record."""
    paths = await delete_files(res, task)
    async with res.sessions.begin() as session:
        await forget_objects(session, task.id)
        await mark_deleted(session, task.id)
    return TaskCleanup(task_id=task.id, cleaned=True, deleted_paths=paths)


async def delete_files(res: Resources, task: Task) -> list[str]:
    """Remove every object under the task's own prefix; answers their keys."""
    prefix = f"{TASK_TYPES[TaskType(task.task_type)].task_folder(task.id)}/"
    keys = [found.key for found in await res.objects.list(prefix)]
    for key in keys:
        await res.objects.delete(key)
    return keys
