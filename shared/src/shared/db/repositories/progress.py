"""What workers announce while they run: written only where it is still true."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import EventType, StepStatus, TaskStatus, WorkflowStatus
from shared.contracts.progress import ProgressKind, TaskProgress
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.repositories.events import add_task_event, add_workflow_event
from shared.db.repositories.outcomes import show_progress


async def write_progress(session: AsyncSession, report: TaskProgress) -> bool:
    """Take a report of a running attempt.

    Returns:
        Whether anything was written; not where the task has ended or a later attempt runs.
    """
    task = await session.get(Task, report.task_id, with_for_update=True)
    if task is None or task.status not in {TaskStatus.PENDING, TaskStatus.EXECUTING}:
        return False
    if report.attempt < task.attempt:
        return False
    if report.attempt > task.attempt:
        task.attempt, task.progress = report.attempt, 0
        task.retry_count = report.attempt - 1
    elif report.kind == ProgressKind.PROGRESS and report.progress <= task.progress:
        return False
    is_new = task.status == TaskStatus.PENDING
    task.status = TaskStatus.EXECUTING
    task.started_at = task.started_at or report.at
    task.progress = max(task.progress, report.progress)
    task.executor_instance = report.executor_instance
    task.executor_type = report.executor_type
    add_task_event(session, task, EventType.TASK_STATUS_UPDATE)
    if is_new and task.workflow_id is not None:
        await _start_step(session, task, report.at)
    return True


async def _start_step(session: AsyncSession, task: Task, at: datetime) -> None:
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
