"""Tasks: reading and listing within a client's scope, and removal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import undefer

from shared.contracts.enums import StepStatus, TaskStatus, TaskType
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Event, StoredObject, Task, Workflow
from shared.db.repositories.scope import Scope
from shared.db.repositories.totals import TASKS, Filters, total
from shared.db.session import plan_for_values

TaskRow: TypeAlias = Row[Any]
"""A task's columns by name, not bound to a session."""

_SHOWN = tuple(column for column in Task.__table__.columns if column.name != "provenance")

_TILED = [task_type for task_type, row in TASK_TYPES.items() if row.is_tiled]
_REMOTE = [provider_type for provider_type, row in PROVIDERS.items() if row.is_remote]

# Built once, since it is the most frequent statement (polling). An array works for any number.
_ROWS_BY_ID = select(*_SHOWN).where(Task.id == any_(bindparam("task_ids", type_=ARRAY(Uuid))))


async def find_task(
    session: AsyncSession, scope: Scope, task_id: UUID, *, lock: bool = False
) -> Task | None:
    """Return a task, deleted or not; none if the client may not see it.

    Args:
        session: transaction that holds the lock.
        scope: of the client.
        task_id: id of the task.
        lock: take its row lock until the transaction ends.
    """
    rows = scope.limit(select(Task).where(Task.id == task_id), Task)
    return await session.scalar(rows.with_for_update() if lock else rows)


async def read_tasks(
    connection: AsyncConnection, task_ids: Collection[UUID]
) -> dict[UUID, TaskRow]:
    """Return tasks as rows, of any owner. Half the cost of loading them as objects."""
    found = await connection.execute(_ROWS_BY_ID, {"task_ids": list(task_ids)})
    return {row.id: row for row in found}


async def find_task_with_provenance(
    session: AsyncSession, scope: Scope, task_id: UUID
) -> Task | None:
    """Return a task, deleted or not, with its `provenance`, which other queries do not read."""
    rows = select(Task).where(Task.id == task_id).options(undefer(Task.provenance))
    return await session.scalar(scope.limit(rows, Task))


@dataclass(frozen=True)
class TaskFilters:
    """Filters of a list of tasks."""

    status: TaskStatus | None = None
    task_type: TaskType | None = None
    origin_instance: str | None = None
    origin_tenant_id: str | None = None
    origin_zone: str | None = None
    workflow_id: UUID | None = None
    include_deleted: bool = False

    def counted(self) -> Filters:
        """Return the filters for the counters, which do not distinguish workflows."""
        return Filters(
            status=self.status,
            task_type=self.task_type,
            origin_instance=self.origin_instance,
            origin_tenant_id=self.origin_tenant_id,
            origin_zone=self.origin_zone,
            is_deleted=None if self.include_deleted else False,
        )


async def list_tasks(
    session: AsyncSession, scope: Scope, filters: TaskFilters, *, skip: int, limit: int
) -> Sequence[TaskRow]:
    """Return one page of tasks as rows, newest first."""
    await plan_for_values(session)
    rows = select(*_SHOWN).where(*_conditions(scope, filters))
    page = rows.order_by(Task.created_at.desc(), Task.id.desc()).offset(skip).limit(limit)
    return (await session.execute(page)).all()


async def count_tasks(session: AsyncSession, scope: Scope, filters: TaskFilters) -> int:
    """Return the total number of tasks in a list."""
    await plan_for_values(session)
    if filters.workflow_id is None:
        return await total(session, TASKS, scope, filters.counted())
    rows = select(func.count()).select_from(Task).where(*_conditions(scope, filters))
    return await session.scalar(rows) or 0


def _conditions(scope: Scope, filters: TaskFilters) -> list[ColumnElement[bool]]:
    conditions = filters.counted().on_rows(TASKS.rows, scope)
    if filters.workflow_id is not None:
        conditions.append(Task.workflow_id == filters.workflow_id)
    return conditions


async def tasks_of_workflow(session: AsyncSession, workflow_id: UUID) -> list[Task]:
    """Return all tasks of a workflow, including those of earlier runs."""
    rows = select(Task).where(Task.workflow_id == workflow_id).order_by(Task.created_at, Task.id)
    return list(await session.scalars(rows))


async def tasks_of_steps(session: AsyncSession, workflow: Workflow) -> dict[str, Task]:
    """Return the current task of each step, by step id."""
    ids = {step.task_id: step.step_id for step in workflow.steps}
    tasks = await session.scalars(select(Task).where(Task.id.in_(ids)).order_by(Task.id))
    return {ids[task.id]: task for task in tasks}


async def tasks_with_leftovers(
    session: AsyncSession, since: datetime, until: datetime, limit: int
) -> dict[UUID, TaskType]:
    """Return tasks completed within a period whose folder may have objects that no row names.

    Those are tasks with a lost attempt, with tiles or with the marks of a paid submission, except
    deleted ones.

    Returns:
        Their types by id, in order of completion.
    """
    await plan_for_values(session)
    rows = select(Task.id, Task.task_type).where(
        Task.completed_at >= since,
        Task.completed_at < until,
        Task.status == TaskStatus.COMPLETED,
        Task.is_deleted.is_(False),
        (Task.attempt > 1) | Task.task_type.in_(_TILED) | Task.provider_type.in_(_REMOTE),
    )
    # The reverse order of `ix_tasks_completed`.
    oldest_first = rows.order_by(Task.completed_at.asc().nulls_first(), Task.id)
    found = await session.execute(oldest_first.limit(limit))
    return {task_id: TaskType(task_type) for task_id, task_type in found}


async def mark_deleted(session: AsyncSession, task_ids: Collection[UUID]) -> None:
    """Mark tasks as deleted, unless they already are."""
    await session.execute(
        update(Task)
        .where(Task.id.in_(task_ids), Task.is_deleted.is_(False))
        .values(is_deleted=True, deleted_at=datetime.now(UTC))
    )


async def forget_objects(session: AsyncSession, task_ids: Collection[UUID]) -> None:
    """Delete the owner rows of tasks' objects; waits for rows that are locked."""
    own = StoredObject.task_id.in_(task_ids)
    in_order = select(StoredObject.key).where(own).order_by(StoredObject.key)
    await session.execute(in_order.with_for_update())
    await session.execute(delete(StoredObject).where(own))


async def remove_tasks(session: AsyncSession, task_ids: Collection[UUID]) -> None:
    """Delete tasks' rows and their events."""
    await session.execute(delete(Event).where(Event.subject_id.in_(task_ids)))
    await session.execute(delete(Task).where(Task.id.in_(task_ids)))


def is_unbegun(workflow: Workflow, tasks: Mapping[str, Task]) -> bool:
    """Return true if no uncompleted step of a workflow was started or cancelled.

    Args:
        workflow: with its steps.
        tasks: the current tasks by step id.
    """
    rest = (tasks[s.step_id] for s in workflow.steps if s.status != StepStatus.COMPLETED)
    return all(map(is_untried, rest))


def is_untried(task: Task) -> bool:
    """Return true if a task was never attempted, so that running it cannot be charged twice."""
    return task.status == TaskStatus.PENDING and not task.attempt and task.service_task_id is None
