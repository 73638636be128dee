"""State changes of a workflow (start, pause, resume, cancel): first of the row, then of the run."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from api_gateway.auth.principal import Principal
from api_gateway.creation.create import start_run
from api_gateway.creation.run_size import check_run_size
from api_gateway.errors import Problem, not_found, unavailable
from api_gateway.fault_list import named
from api_gateway.ignored.report import IgnoredFields
from api_gateway.resources import Resources
from api_gateway.uploads import note_uploads, stored
from api_gateway.workflows.overrides import Overrides, draft_overrides
from api_gateway.workflows.reset import plan_resume, reset_steps
from api_gateway.workflows.resume_schemas import ResumePlan, ResumeWorkflow
from shared.contracts.enums import WorkflowStatus
from shared.contracts.runs import PipelineOutcome
from shared.db.models.tables import Task, Workflow
from shared.db.repositories.events import add_workflow_event
from shared.db.repositories.outcomes import write_pipeline_outcome
from shared.db.repositories.starts import show_progress
from shared.db.repositories.subjects import find_workflow
from shared.db.repositories.tasks import is_unbegun, tasks_of_steps
from workflows.control import (
    RUN_TERMINATED,
    RunUnreachableError,
    Stop,
    cancel_run,
    has_closed,
    pause_run,
    stop_run,
    terminate_run,
    wait_until_closed,
)
from workflows.starts import pipeline_run, start_pipeline

_log = structlog.stdlib.get_logger(__name__)

_RESUMABLE = (WorkflowStatus.FAILED, WorkflowStatus.PAUSED)


async def start_workflow(res: Resources, caller: Principal, workflow_id: UUID) -> Workflow:
    """Start a workflow that was created without being started.

    Raises:
        Problem: 404; 409, it is not PENDING; 503, Temporal does not respond.
    """
    async with res.sessions.begin() as session:
        workflow = await _locked(session, caller, workflow_id)
        _require_status(workflow, "start", WorkflowStatus.PENDING)
        _run(session, workflow)
        tasks = await tasks_of_steps(session, workflow)
        await session.flush()
    await start_run(res, workflow, lambda client: start_pipeline(client, workflow, tasks))
    return workflow


async def pause_workflow(res: Resources, caller: Principal, workflow_id: UUID) -> Workflow:
    """Start no more steps. The workflow is PAUSED once the running steps have ended.

    Raises:
        Problem: 404; 409, it is not RUNNING; 503, Temporal does not respond.
    """
    async with res.sessions.begin() as session:
        workflow = await _locked(session, caller, workflow_id)
        if workflow.status == WorkflowStatus.PAUSED:
            return workflow
        _require_status(workflow, "pause", WorkflowStatus.RUNNING)
    try:
        was_open = await pause_run(res.temporal, workflow.temporal_id)
    except RunUnreachableError as error:
        raise unavailable("Temporal") from error
    if was_open:
        await _wait(res, workflow)
    else:
        await _pause_before_its_run(res, caller, workflow_id)
    return await _read(res, caller, workflow)


async def _pause_before_its_run(res: Resources, caller: Principal, workflow_id: UUID) -> None:
    """Pause a workflow whose run has not started; a run that has begun keeps its state."""
    async with res.sessions.begin() as session:
        workflow = await _locked(session, caller, workflow_id)
        tasks = await tasks_of_steps(session, workflow)
        if workflow.status != WorkflowStatus.RUNNING or not is_unbegun(workflow, tasks):
            return
        outcome = PipelineOutcome(workflow_id=workflow_id, status=WorkflowStatus.PAUSED)
        await write_pipeline_outcome(session, outcome)
    await _notify_run(res, workflow, pause_run)


async def cancel_workflow(res: Resources, caller: Principal, workflow_id: UUID) -> Workflow:
    """Cancel a workflow and all its tasks; cancelling again changes nothing.

    Raises:
        Problem: 404; 409, it is neither PENDING nor RUNNING; 503, Temporal does not respond.
    """
    async with res.sessions.begin() as session:
        workflow = await _locked(session, caller, workflow_id)
        if workflow.status == WorkflowStatus.CANCELLED:
            return workflow
        _require_status(workflow, "cancel", WorkflowStatus.PENDING, WorkflowStatus.RUNNING)
        is_running = workflow.status == WorkflowStatus.RUNNING
    stop = await _cancel_run(res, workflow) if is_running else Stop.GONE
    if stop is not Stop.STOPPING:
        # A run writes its outcome before it closes; a closed or stuck one will not write it.
        outcome = PipelineOutcome(
            workflow_id=workflow.id,
            status=WorkflowStatus.CANCELLED,
            errors=[RUN_TERMINATED] if stop is Stop.UNRESPONSIVE else [],
        )
        async with res.sessions.begin() as session:
            await write_pipeline_outcome(session, outcome)
        if is_running:
            await _notify_run(
                res, workflow, terminate_run if stop is Stop.UNRESPONSIVE else cancel_run
            )
    return await _read(res, caller, workflow)


async def resume_workflow(
    res: Resources,
    caller: Principal,
    workflow_id: UUID,
    body: ResumeWorkflow,
    ignored: IgnoredFields,
) -> Workflow:
    """Continue a failed or paused workflow: completed steps stay, failed ones get new tasks.

    Raises:
        InvalidRequestError: names every step and field whose override is invalid.
        Problem: 404; 409, it is neither FAILED nor PAUSED; 503, Temporal does not respond.
    """
    workflow, overrides = await _resumable(res, caller, workflow_id, body, ignored)
    await _wait_for_closed_run(res, workflow)
    await note_uploads(res, overrides.uploads)
    async with res.sessions.begin() as session:
        workflow = await _locked(session, caller, workflow_id)
        await _require_resumable(session, workflow)
        overrides = await overrides.without_stored(session, caller.scope)
        async with stored(res, session, overrides.uploads):
            await overrides.add_upload_rows(session)
            tasks = await reset_steps(session, caller, workflow, overrides.apply)
            check_run_size(pipeline_run(workflow, tasks))
            _run(session, workflow)
            await session.flush()
    await start_run(
        res, workflow, lambda client: start_pipeline(client, workflow, tasks, is_resumed=True)
    )
    return workflow


async def _wait_for_closed_run(res: Resources, workflow: Workflow) -> None:
    """Wait for the last run to close: it records its end a moment before, and blocks a new run."""
    try:
        is_closed = await has_closed(
            res.temporal, workflow.temporal_id, within_s=res.settings.cancel_wait_s
        )
    except RunUnreachableError as error:
        raise unavailable("Temporal") from error
    if not is_closed:
        raise _conflict(workflow, "its run is still closing; try again in a moment")


async def plan_workflow_resume(
    res: Resources,
    caller: Principal,
    workflow_id: UUID,
    body: ResumeWorkflow,
    ignored: IgnoredFields,
) -> ResumePlan:
    """Return what `resume_workflow` would do now; nothing changes.

    Raises:
        InvalidRequestError: as from a resume.
        Problem: 404 and 409 as from a resume.
    """
    workflow, overrides = await _resumable(res, caller, workflow_id, body, ignored)
    return plan_resume(workflow, overrides.shown())


async def _resumable(
    res: Resources,
    caller: Principal,
    workflow_id: UUID,
    body: ResumeWorkflow,
    ignored: IgnoredFields,
) -> tuple[Workflow, Overrides]:
    """Return a workflow that can be resumed now, and its checked overrides."""
    async with res.sessions() as session:
        workflow = await find_workflow(session, caller.scope, workflow_id)
        if workflow is None:
            raise not_found(f"workflow {workflow_id}")
        tasks = await _require_resumable(session, workflow)
    return workflow, await draft_overrides(res, caller, workflow, tasks, body, ignored)


async def _require_resumable(session: AsyncSession, workflow: Workflow) -> dict[str, Task]:
    _require_status(workflow, "resume", *_RESUMABLE)
    if workflow.is_deleted:
        raise _conflict(workflow, "its files were deleted; create a new workflow")
    tasks = await tasks_of_steps(session, workflow)
    removed = [step.step_id for step in workflow.steps if step.step_id not in tasks]
    if removed:
        names = named(removed)
        message = f"the tasks of its steps {names} were deleted; create a new workflow"
        raise _conflict(workflow, message)
    return tasks


def _run(session: AsyncSession, workflow: Workflow) -> None:
    workflow.status = WorkflowStatus.RUNNING
    workflow.started_at = workflow.started_at or datetime.now(UTC)
    workflow.completed_at = workflow.error_message = None
    workflow.errors = []
    show_progress(workflow, workflow.steps)
    add_workflow_event(session, workflow)


async def _locked(session: AsyncSession, caller: Principal, workflow_id: UUID) -> Workflow:
    workflow = await find_workflow(session, caller.scope, workflow_id, lock=True)
    if workflow is None:
        raise not_found(f"workflow {workflow_id}")
    return workflow


async def _read(res: Resources, caller: Principal, workflow: Workflow) -> Workflow:
    async with res.sessions() as session:
        return await find_workflow(session, caller.scope, workflow.id) or workflow


async def _notify_run(
    res: Resources, workflow: Workflow, tell: Callable[[Client, str], Awaitable[object]]
) -> None:
    """Notify a run of its record's status; if that fails, the reconciler does it later."""
    try:
        await tell(res.temporal, workflow.temporal_id)
    except RunUnreachableError as error:
        _log.warning("run_not_told", subject=workflow.temporal_id, exc_info=error)


async def _cancel_run(res: Resources, workflow: Workflow) -> Stop:
    within_s = res.settings.cancel_wait_s
    try:
        return await stop_run(res.temporal, workflow.temporal_id, within_s=within_s)
    except RunUnreachableError as error:
        raise unavailable("Temporal") from error


async def _wait(res: Resources, workflow: Workflow) -> bool:
    return await wait_until_closed(
        res.temporal, workflow.temporal_id, timeout_s=res.settings.cancel_wait_s
    )


def _require_status(workflow: Workflow, action: str, *states: WorkflowStatus) -> None:
    if workflow.status not in states:
        raise _conflict(workflow, f"to {action} it, it must be {' or '.join(states)}")


def _conflict(workflow: Workflow, message: str) -> Problem:
    return Problem(409, "conflict", f"workflow {workflow.id} is {workflow.status}; {message}")
