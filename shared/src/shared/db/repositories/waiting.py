"""Work that has not started: the steps it depends on, and its queue."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import CollectionAggregate

from shared.contracts.enums import StepStatus, WorkflowStatus
from shared.db.models.tables import Task, Workflow, WorkflowStep


@dataclass
class StepDependencies:
    """The uncompleted dependencies of a step, and the status of its workflow."""

    workflow: WorkflowStatus
    unfinished: dict[str, StepStatus] = field(default_factory=dict[str, StepStatus])
    """Status of the uncompleted steps that it depends on, in topological order."""


async def unfinished_dependencies(
    session: AsyncSession, workflow_ids: Sequence[UUID], task_ids: Sequence[UUID]
) -> dict[UUID, StepDependencies]:
    """Return the uncompleted dependencies of steps, by task.

    Args:
        session: for reading.
        workflow_ids: workflows of the tasks.
        task_ids: tasks of the steps.
    """
    step, before = aliased(WorkflowStep), aliased(WorkflowStep)
    is_before = and_(
        before.workflow_id == step.workflow_id,
        before.status != StepStatus.COMPLETED,
        step.dependencies.has_key(before.step_id),
    )
    names, statuses = (
        func.array_agg(aggregate_order_by(column, before.position))
        for column in (before.step_id, before.status)
    )
    rows = (
        select(step.task_id, Workflow.status, names, statuses)
        .join(Workflow, Workflow.id == step.workflow_id)
        .outerjoin(before, is_before)
        .where(step.workflow_id == _any_of(workflow_ids), step.task_id == _any_of(task_ids))
        .group_by(step.task_id, Workflow.status)
    )
    found: dict[UUID, StepDependencies] = {}
    for task_id, workflow, step_ids, step_statuses in await session.execute(rows):
        # The outer join gives null if there are no uncompleted dependencies.
        unfinished = {
            name: StepStatus(status)
            for name, status in zip(step_ids, step_statuses, strict=True)
            if name
        }
        if task_id is not None:
            found[task_id] = StepDependencies(WorkflowStatus(workflow), unfinished)
    return found


@dataclass(frozen=True)
class QueuedTask:
    """The queue that a task waits in, and the condition that its run waits for."""

    queue: str
    waiting_for: str | None


async def queues_of(session: AsyncSession, task_ids: Sequence[UUID]) -> dict[UUID, QueuedTask]:
    """Return the queues in which tasks wait, by task."""
    rows = select(Task.id, Task.queue_name, Task.waiting_for).where(Task.id == _any_of(task_ids))
    found = await session.execute(rows)
    return {row.id: QueuedTask(row.queue_name, row.waiting_for) for row in found}


def _any_of(ids: Sequence[UUID]) -> CollectionAggregate[bool]:
    """Return a condition with a single parameter for any number of ids."""
    return any_(bindparam(None, list(ids), type_=ARRAY(Uuid)))
