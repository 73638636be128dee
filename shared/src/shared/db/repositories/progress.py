"""Progress reports of workers; outdated ones are ignored."""

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import EventType, TaskStatus
from shared.contracts.progress import ProgressKind, TaskProgress
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.repositories.starts import begin


async def write_progress(session: AsyncSession, report: TaskProgress) -> bool:
    """Write a report of a running attempt.

    Returns:
        False if nothing was written: the task has ended, a later attempt runs, or nothing is new.
    """
    task = await session.get(Task, report.task_id, with_for_update=True)
    if task is None or task.status not in {TaskStatus.PENDING, TaskStatus.EXECUTING}:
        return False
    if report.attempt < task.attempt:
        return False
    if report.attempt > task.attempt:
        # retry_count may also include retries of its picture downloads.
        task.retry_count += report.attempt - max(task.attempt, 1)
        task.attempt, task.progress = report.attempt, 0
    elif report.kind == ProgressKind.PROGRESS and report.progress <= task.progress:
        return False
    await begin(session, task, report.at)
    task.waiting_for = None
    task.started_at = task.started_at or report.at
    task.progress = max(task.progress, report.progress)
    task.executor_instance = report.executor_instance
    task.executor_type = report.executor_type
    add_task_event(session, task, EventType.TASK_STATUS_UPDATE)
    return True
