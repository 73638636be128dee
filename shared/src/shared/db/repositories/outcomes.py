"""Outcomes of tasks and workflows. A terminal state never changes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import (
    TASK_OPEN,
    WORKFLOW_OPEN,
    ErrorCategory,
    EventType,
    ProviderType,
    StepStatus,
    TaskStatus,
    TaskType,
    WorkflowStatus,
)
from shared.contracts.inputs import merged_inputs
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.providers import REQUEST_ID_FIELDS, task_queue
from shared.contracts.runs import (
    PipelineOutcome,
    PipelineRecordState,
    TaskHistory,
    TaskOutcome,
    TaskRecordState,
)
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.db.models.base import Origin
from shared.db.models.tables import StoredObject, Task, Workflow, WorkflowStep
from shared.db.repositories.breakers import count_verdict
from shared.db.repositories.events import add_task_event, add_workflow_event
from shared.db.repositories.starts import (
    begin,
    find_step,
    read_states,
    show_progress,
)

_M = TypeVar("_M", bound=Message)

_STEP_STATUS = {
    TaskStatus.COMPLETED: StepStatus.COMPLETED,
    TaskStatus.FAILED: StepStatus.FAILED,
    TaskStatus.CANCELLED: StepStatus.CANCELLED,
}


def owner_of(subject: Origin) -> Owner:
    """Return the owner of a task or a training, and of its objects."""
    return Owner(origin_instance=subject.origin_instance, origin_tenant_id=subject.origin_tenant_id)


def outcome_of(
    task: Task,
    status: TaskStatus,
    *,
    error: str | None = None,
    category: ErrorCategory | None = None,
    results: dict[str, Any] | None = None,
) -> TaskOutcome:
    """Return the outcome of a task that its own run does not write; its history is kept.

    Args:
        task: its row.
        status: its terminal status.
        error: an error in addition to those of its attempts.
        category: of the error; none: CANCELLED for that status, otherwise as in the row.
        results: its results, if any.
    """
    known = ErrorCategory(task.error_category) if task.error_category else None
    is_cancelled = status == TaskStatus.CANCELLED
    return TaskOutcome(
        task_id=task.id,
        status=status,
        owner=owner_of(task),
        attempt=task.attempt,
        retry_count=task.retry_count,
        errors=[*task.errors, *([error] if error else [])],
        error_category=category or (ErrorCategory.CANCELLED if is_cancelled else known),
        fallback_used=task.fallback_used,
        service_task_id=task.service_task_id,
        service_requests=_readable(ServiceRequest, task.service_requests),
        billed=_readable(BilledUnits, task.billed),
        resumes=task.resume_attempt_count,
        resumed_at=task.last_resume_attempt,
        results=results or {},
    )


def _readable(message: type[_M], recorded: Sequence[dict[str, Any]]) -> list[_M]:
    """Return recorded calls or units, without anything else that an administrator wrote there."""
    read = (_read(message, each) for each in recorded)
    return [each for each in read if each is not None]


def _read(message: type[_M], recorded: dict[str, Any]) -> _M | None:
    try:
        return message.model_validate(recorded)
    except ValidationError:
        return None


async def write_task_outcome(session: AsyncSession, outcome: TaskOutcome) -> TaskRecordState:
    """Write the outcome of a task: its row, owner rows of its files, its event and its step.

    Returns:
        The state of the task. If it had already ended, that state is kept and nothing is written.
        Of a task without a record, an edit that is a part of another task, the verdict alone is.
    """
    task = await session.get(Task, outcome.task_id, with_for_update=True)
    if task is None:
        await count_verdict(session, outcome.verdict)
        return TaskRecordState(status=outcome.status)
    if task.status not in TASK_OPEN:
        _add_late_history(task, outcome)
        await count_verdict(session, outcome.verdict)
        return TaskRecordState(status=TaskStatus(task.status), results=task.results)
    now = datetime.now(UTC)
    _write_history(task, outcome)
    task.status = outcome.status
    if outcome.mapped_inputs:
        task.inputs = merged_inputs(task.inputs, outcome.mapped_inputs)
    task.results = outcome.results
    if outcome.warnings:
        known = task.warnings or []
        task.warnings = [*known, *(warning for warning in outcome.warnings if warning not in known)]
    if outcome.provenance is not None:
        task.provenance = outcome.provenance.model_dump(mode="json")
    task.executor_type = outcome.executor_type or task.executor_type
    task.executor_instance = outcome.executor_instance or task.executor_instance
    # The `started` report may have been lost; the outcome has the time as well.
    task.started_at = task.started_at or outcome.started_at
    task.completed_at = now
    if outcome.status == TaskStatus.COMPLETED:
        task.progress = 100
    add_task_event(session, task, EventType.TASK_STATUS_UPDATE)
    await _write_owner_rows(session, outcome.owner, task, outcome.files)
    if task.workflow_id is not None:
        await _end_step(session, task)
    await count_verdict(session, outcome.verdict)
    return TaskRecordState(status=outcome.status)


async def write_task_history(session: AsyncSession, history: TaskHistory) -> None:
    """Write the history of a task that is still running."""
    task = await session.get(Task, history.task_id, with_for_update=True)
    if task is not None and task.status in TASK_OPEN:
        _write_history(task, history)
        if history.attempt:  # the `started` report may have been lost
            await begin(session, task, datetime.now(UTC))
        add_task_event(session, task, EventType.TASK_STATUS_UPDATE)
    elif task is not None:
        _add_late_history(task, history)
    await count_verdict(session, history.verdict)


def _add_late_history(task: Task, history: TaskHistory) -> None:
    """Write the history of a task cancelled meanwhile: its attempts may have cost money."""
    if task.status == TaskStatus.CANCELLED and history.attempt >= task.attempt:
        category = task.error_category
        _write_history(task, history)
        task.error_category = category


def _write_history(task: Task, history: TaskHistory) -> None:
    task.attempt = history.attempt
    task.retry_count = history.retry_count
    task.errors = history.errors
    task.error_category = history.error_category
    task.waiting_for = history.waiting_for
    if history.fallback_used and not task.fallback_used:
        _fall_back(task)
    if history.service_task_id != task.service_task_id:
        _name_work(task, history.service_task_id)
    unreadable = [each for each in task.service_requests if _read(ServiceRequest, each) is None]
    reported = [each.model_dump(mode="json") for each in history.service_requests]
    task.service_requests = [*unreadable, *reported]
    task.billed = [each.model_dump(mode="json") for each in history.billed]
    task.is_resumed = history.resumes > 0
    task.resume_attempt_count = history.resumes
    task.last_resume_attempt = history.resumed_at


def _fall_back(task: Task) -> None:
    """Replace the task's provider by its fallback provider."""
    assert task.fallback_provider_type is not None
    provider = ProviderType(task.fallback_provider_type)
    task.fallback_used = True
    task.provider_type = provider
    task.provider_config = task.fallback_provider_config
    task.active_provider_capabilities = task.fallback_provider_capabilities
    task.queue_name = task_queue(provider, TaskType(task.task_type), task.config)


def _name_work(task: Task, service_task_id: str | None) -> None:
    task.service_task_id = service_task_id
    field = REQUEST_ID_FIELDS.get(ProviderType(task.provider_type))
    if field is not None and service_task_id is not None:
        config = task.provider_config or {"provider_type": task.provider_type}
        task.provider_config = {**config, field: service_task_id}


async def write_pipeline_outcome(
    session: AsyncSession, outcome: PipelineOutcome
) -> PipelineRecordState:
    """Write the outcome of a workflow's run: its row and event; a cancellation ends open tasks.

    Returns:
        The state of the workflow. If it had already ended, that state is kept.
    """
    # Lock order: tasks before their workflow, as everywhere.
    open_tasks = await _open_tasks(session, outcome)
    workflow = await session.get(Workflow, outcome.workflow_id, with_for_update=True)
    if workflow is None:
        return PipelineRecordState(status=outcome.status)
    if workflow.status not in WORKFLOW_OPEN:
        return PipelineRecordState(status=WorkflowStatus(workflow.status))
    for task in open_tasks:
        await write_task_outcome(session, outcome_of(task, TaskStatus.CANCELLED))
    workflow.status = outcome.status
    workflow.errors = outcome.errors
    workflow.error_message = outcome.errors[-1] if outcome.errors else None
    workflow.current_step = None
    if outcome.status != WorkflowStatus.PAUSED:
        workflow.completed_at = datetime.now(UTC)
    if outcome.status == WorkflowStatus.COMPLETED:
        final = await session.scalar(
            select(WorkflowStep).where(
                WorkflowStep.workflow_id == workflow.id,
                WorkflowStep.step_id == workflow.final_step_id,
            )
        )
        workflow.final_step_result = final.result if final else None
    add_workflow_event(session, workflow)
    return PipelineRecordState(status=outcome.status)


async def _open_tasks(session: AsyncSession, outcome: PipelineOutcome) -> list[Task]:
    if outcome.status != WorkflowStatus.CANCELLED:
        return []
    rows = select(Task).where(Task.workflow_id == outcome.workflow_id, Task.status.in_(TASK_OPEN))
    return list(await session.scalars(rows.order_by(Task.id).with_for_update()))


async def _write_owner_rows(
    session: AsyncSession, owner: Owner, task: Task, files: Sequence[StoredFile]
) -> None:
    if not files:
        return
    rows = [
        {
            **file.model_dump(),
            "task_id": task.id,
            "origin_instance": owner.origin_instance,
            "origin_tenant_id": owner.origin_tenant_id,
        }
        for file in files
    ]
    await session.execute(insert(StoredObject).values(rows).on_conflict_do_nothing())


async def _end_step(session: AsyncSession, task: Task) -> None:
    # The workflow's row is locked before its steps, which serialises steps that end together.
    workflow = await session.get(Workflow, task.workflow_id, with_for_update=True)
    if workflow is None:
        return
    step = await find_step(session, task)
    if step is not None:
        step.status = _STEP_STATUS[TaskStatus(task.status)]
        step.result = task.results or None
        is_done = task.status == TaskStatus.COMPLETED
        step.error_message = task.errors[-1] if task.errors and not is_done else None
        step.warnings = task.warnings
        step.retry_count = task.retry_count
        step.started_at = task.started_at
        step.completed_at = task.completed_at
    show_progress(workflow, await read_states(session, workflow))
    add_workflow_event(session, workflow)
