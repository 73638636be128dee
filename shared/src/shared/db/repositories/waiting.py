"""What the records say of work that has not begun: which steps come before it, and its queue."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from shared.contracts.enums import StepStatus, WorkflowStatus
from shared.db.models.tables import Task, Workflow, WorkflowStep


@dataclass
class StepBefore:
    """What stands before one step."""

    workflow: WorkflowStatus
    unfinished: dict[str, StepStatus] = field(default_factory=dict[str, StepStatus])
    """The steps that it depends on and that are not completed, in topological order."""


async def unfinished_before(
    session: AsyncSession, workflow_ids: Sequence[UUID], task_ids: Sequence[UUID]
) -> dict[UUID, StepBefore]:
    """Return what the steps wait for whose tasks these are, by task.

    Args:
        session: reads.
        workflow_ids: the workflows of the tasks.
        task_ids: tasks of steps.
    """
    step, before = aliased(WorkflowStep), aliased(WorkflowStep)
    is_before = and_(
        before.workflow_id == step.workflow_id,
        before.status != StepStatus.COMPLETED,
        step.dependencies.has_key(before.step_id),
    )
    rows = (
        select(step.task_id, Workflow.status, before.step_id, before.status)
        .join(Workflow, Workflow.id == step.workflow_id)
        .outerjoin(before, is_before)
        .where(step.workflow_id.in_(workflow_ids), step.task_id.in_(task_ids))
        .order_by(before.position)
    )
    found: dict[UUID, StepBefore] = {}
    for task_id, workflow, name, status in await session.execute(rows):
        if task_id is None:
            continue
        known = found.setdefault(task_id, StepBefore(WorkflowStatus(workflow)))
        if name:  # an outer join has none where nothing is unfinished
            known.unfinished[name] = StepStatus(status)
    return found


@dataclass(frozen=True)
class QueuedTask:
    """Where a task waits for a worker, and what its run has found to be missing."""

    queue: str
    waiting_for: str | None


async def queues_of(session: AsyncSession, task_ids: Sequence[UUID]) -> dict[UUID, QueuedTask]:
    """Return where tasks wait for their workers."""
    rows = select(Task.id, Task.queue_name, Task.waiting_for).where(Task.id.in_(task_ids))
    found = await session.execute(rows)
    return {row.id: QueuedTask(row.queue_name, row.waiting_for) for row in found}
