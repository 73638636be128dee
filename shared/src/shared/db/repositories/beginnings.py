"""When a task is picked up: its row, and its step where it is one."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import StepStatus, TaskStatus, WorkflowStatus
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.repositories.events import add_workflow_event


async def begin(session: AsyncSession, task: Task, at: datetime) -> None:
    """Write that a worker has picked a task up; the caller holds its lock, and writes its event.

    Nothing changes where that is known already.
    """
    if task.status != TaskStatus.PENDING:
        return
    task.status = TaskStatus.EXECUTING
    task.started_at = task.started_at or at
    if task.workflow_id is not None:
        await _begin_step(session, task, at)


async def _begin_step(session: AsyncSession, task: Task, at: datetime) -> None:
    workflow = await session.get(Workflow, task.workflow_id, with_for_update=True)
    if workflow is None or workflow.status != WorkflowStatus.RUNNING:
        return
    steps = list(
        await session.scalars(
            select(WorkflowStep)
            .where(WorkflowStep.workflow_id == task.workflow_id)
            .order_by(WorkflowStep.position)
        )
    )
    for step in steps:
        if step.task_id == task.id and step.status == StepStatus.PENDING:
            step.status, step.started_at = StepStatus.RUNNING, at
    show_progress(workflow, steps)
    add_workflow_event(session, workflow)


def show_progress(workflow: Workflow, steps: Sequence[WorkflowStep]) -> None:
    """Bring a workflow's counters and current step in line with its steps."""
    workflow.completed_steps = sum(step.status == StepStatus.COMPLETED for step in steps)
    workflow.current_step = next(
        (step.step_id for step in steps if step.status == StepStatus.RUNNING), None
    )
