"""Start of a task's execution: its row, and its step in a workflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import StepStatus, TaskStatus, WorkflowStatus
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.repositories.events import add_workflow_event


async def begin(session: AsyncSession, task: Task, at: datetime) -> None:
    """Write that a worker picked a task up. The caller holds its row lock and writes its event.

    Does nothing if the task has already started.
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
    step = await find_step(session, task)
    if step is not None and step.status == StepStatus.PENDING:
        step.status, step.started_at = StepStatus.RUNNING, at
    show_progress(workflow, await read_states(session, workflow))
    add_workflow_event(session, workflow)


async def find_step(session: AsyncSession, task: Task) -> WorkflowStep | None:
    """Return the step of a workflow's task; none if it has been reset."""
    of_workflow = WorkflowStep.workflow_id == task.workflow_id
    return await session.scalar(
        select(WorkflowStep).where(of_workflow, WorkflowStep.task_id == task.id)
    )


@dataclass(frozen=True)
class StepState:
    """The state of a step, without its configuration and result, which may be large."""

    step_id: str
    status: str


async def read_states(session: AsyncSession, workflow: Workflow) -> list[StepState]:
    """Return the states of a workflow's steps in order, including changes of this session."""
    columns = select(WorkflowStep.step_id, WorkflowStep.status)
    of_workflow = columns.where(WorkflowStep.workflow_id == workflow.id)
    rows = await session.execute(of_workflow.order_by(WorkflowStep.position))
    return [StepState(step_id, status) for step_id, status in rows]


def show_progress(workflow: Workflow, steps: Sequence[WorkflowStep | StepState]) -> None:
    """Update a workflow's counters and current step from its steps."""
    workflow.completed_steps = sum(step.status == StepStatus.COMPLETED for step in steps)
    workflow.current_step = next(
        (step.step_id for step in steps if step.status == StepStatus.RUNNING), None
    )
