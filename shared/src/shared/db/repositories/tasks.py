"""Reading, listing and removing tasks within a caller's scope."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from shared.contracts.enums import TaskStatus, TaskType
from shared.db.models.tables import Event, StoredObject, Task, Workflow
from shared.db.repositories.scope import Scope

# Built once: the statement that clients poll with is the busiest of all.
_BY_ID = select(Task).where(Task.id == bindparam("task_id"))
_LOCKED_BY_ID = _BY_ID.with_for_update()
_ROW_BY_ID = select(Task.__table__).where(Task.id == bindparam("task_id"))
TaskRow: TypeAlias = Row[Any]
"""A task's columns by name, not bound to any session."""
TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


async def find_task(
    session: AsyncSession, scope: Scope, task_id: UUID, *, lock: bool = False
) -> Task | None:
    """One task, cleaned up or not.

    Args:
        session: whose transaction holds the lock.
        scope: the caller's.
        task_id: the task.
        lock: keep others from changing it until the transaction ends.
    """
    rows = _LOCKED_BY_ID if lock else _BY_ID
    task = await session.scalar(rows, {"task_id": task_id})
    return task if task is not None and scope.covers(task) else None


async def read_task(connection: AsyncConnection, scope: Scope, task_id: UUID) -> TaskRow | None:
    """One task to be shown, cleaned up or not: half the work of loading it to be changed."""
    task = (await connection.execute(_ROW_BY_ID, {"task_id": task_id})).one_or_none()
    return task if task is not None and scope.covers(task) else None


@dataclass(frozen=True)
class TaskFilters:
    """Which tasks a list shows."""

    status: TaskStatus | None = None
    task_type: TaskType | None = None
    origin_instance: str | None = None
    origin_tenant_id: str | None = None
    origin_zone: str | None = None
    workflow_id: UUID | None = None
    include_deleted: bool = False


async def list_tasks(
    session: AsyncSession, scope: Scope, filters: TaskFilters, *, skip: int, limit: int
) -> list[Task]:
    """One page of tasks, newest first."""
    asked = Scope(filters.origin_instance, filters.origin_tenant_id)
    rows = asked.limit(scope.limit(select(Task), Task), Task)
    for name in ("status", "task_type", "origin_zone", "workflow_id"):
        value = getattr(filters, name)
        if value is not None:
            rows = rows.where(getattr(Task, name) == value)
    if not filters.include_deleted:
        rows = rows.where(Task.is_deleted.is_(False))
    page = rows.order_by(Task.created_at.desc(), Task.id.desc()).offset(skip).limit(limit)
    return list(await session.scalars(page))


async def tasks_of_workflow(session: AsyncSession, workflow_id: UUID) -> list[Task]:
    """Every task that a workflow has had, those of earlier runs included."""
    rows = select(Task).where(Task.workflow_id == workflow_id).order_by(Task.created_at, Task.id)
    return list(await session.scalars(rows))


async def tasks_of_steps(session: AsyncSession, workflow: Workflow) -> dict[str, Task]:
    """The present task of each step, by step id."""
    ids = {step.task_id: step.step_id for step in workflow.steps}
    tasks = await session.scalars(select(Task).where(Task.id.in_(ids)).order_by(Task.id))
    return {ids[task.id]: task for task in tasks}


async def mark_deleted(session: AsyncSession, task_id: UUID) -> None:
    """Hide a task whose files are gone; the first time counts."""
    await session.execute(
        update(Task)
        .where(Task.id == task_id, Task.is_deleted.is_(False))
        .values(is_deleted=True, deleted_at=datetime.now(UTC))
    )


async def forget_objects(session: AsyncSession, task_id: UUID) -> None:
    """Remove the owner rows of a task's objects; the objects themselves are gone already."""
    await session.execute(delete(StoredObject).where(StoredObject.task_id == task_id))


async def remove_task(session: AsyncSession, task_id: UUID) -> None:
    """Remove a task's record and its events."""
    await session.execute(delete(Event).where(Event.subject_id == task_id))
    await session.execute(delete(Task).where(Task.id == task_id))
