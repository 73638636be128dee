"""Creating and reading workflows: rows for every step and its task, then one run."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from api_gateway.admission_cap import check_cap
from api_gateway.auth.ownership import Origin, claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError, not_found, unavailable
from api_gateway.resources import Resources
from api_gateway.run_size import check_run_size
from api_gateway.tasks.drafting import SERVED_TYPES, draft_task
from api_gateway.tasks.image_inputs import Upload, resolve_images
from api_gateway.tasks.service import stored
from api_gateway.workflows.dag import check_dag, dependencies, final_step_id, topological_order
from api_gateway.workflows.schemas import CreateWorkflow, WorkflowStepDefinition
from api_gateway.workflows.step_validation import validate_step
from shared.contracts.enums import EventType, StepStatus, WorkflowStatus
from shared.contracts.runs import PipelineOutcome
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.repositories.events import add_task_event, add_workflow_event
from shared.db.repositories.outcomes import write_pipeline_outcome
from shared.db.repositories.subjects import WorkflowFilters, find_workflow, list_workflows
from workflows.starts import NotStartedError, pipeline_run, start_pipeline


@dataclass
class _Draft:
    """A workflow on its way into the records."""

    workflow: Workflow
    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    uploads: list[Upload] = field(default_factory=list[Upload])
    faults: list[Fault] = field(default_factory=list[Fault])


async def create_workflow(
    res: Resources, caller: Principal, body: CreateWorkflow, *, start: bool
) -> Workflow:
    """Write a workflow and, if asked, start its run.

    Raises:
        InvalidRequestError: names every step and field that is wrong.
    """
    if faults := check_dag(body.steps):
        raise InvalidRequestError(_placed(faults))
    origin = claim_origin(caller, body)
    draft = _Draft(_draft_workflow(body, origin, is_running=start))
    for index, step in enumerate(body.steps):
        faults = await _draft_step(draft, step, body, origin, res, caller)
        draft.faults += [Fault((index, *f.loc), f.message, f.kind) for f in faults]
    if draft.faults:
        raise InvalidRequestError(_placed(draft.faults))
    draft.workflow.steps = [
        _step_row(position, step, draft.tasks[step.id])
        for position, step in enumerate(topological_order(body.steps))
    ]
    check_run_size(pipeline_run(draft.workflow, draft.tasks))
    async with stored(res, draft.uploads), res.sessions.begin() as session:
        await check_cap(session, res, draft.workflow)
        session.add(draft.workflow)
        await session.flush()
        session.add_all([*draft.tasks.values(), *(upload.row for upload in draft.uploads)])
        for task in draft.tasks.values():
            add_task_event(session, task, EventType.TASK_CREATED)
        add_workflow_event(session, draft.workflow)
    if start:
        await _start(res, draft)
    return draft.workflow


async def _start(res: Resources, draft: _Draft) -> None:
    try:
        await start_pipeline(res.temporal, draft.workflow, draft.tasks)
    except NotStartedError as error:
        # The client is told that it failed, so the record says so; a run that exists will see it.
        outcome = PipelineOutcome(
            workflow_id=draft.workflow.id,
            status=WorkflowStatus.FAILED,
            errors=["Temporal did not answer when the workflow was to be started"],
        )
        async with res.sessions.begin() as session:
            await write_pipeline_outcome(session, outcome)
        raise unavailable("Temporal") from error


async def get_workflow(res: Resources, caller: Principal, workflow_id: UUID) -> Workflow:
    """A workflow that the caller may see.

    Raises:
        Problem: 404.
    """
    async with res.sessions() as session:
        workflow = await find_workflow(session, caller.scope, workflow_id)
    if workflow is None:
        raise not_found(f"workflow {workflow_id}")
    return workflow


async def page_of_workflows(
    res: Resources, caller: Principal, filters: WorkflowFilters, *, skip: int, limit: int
) -> tuple[list[Workflow], int]:
    """One page of the caller's workflows, newest first, and how many there are in all."""
    async with res.sessions() as session:
        return await list_workflows(session, caller.scope, filters, skip=skip, limit=limit)


def _placed(faults: list[Fault]) -> list[Fault]:
    return [Fault(("body", "steps", *fault.loc), fault.message, fault.kind) for fault in faults]


def _draft_workflow(body: CreateWorkflow, origin: Origin, *, is_running: bool) -> Workflow:
    workflow_id, now = uuid.uuid4(), datetime.now(UTC)
    return Workflow(
        id=workflow_id,
        name=body.name,
        description=body.description,
        # RUNNING is what the client asked for; that it is written first lets a crash be mended.
        status=WorkflowStatus.RUNNING if is_running else WorkflowStatus.PENDING,
        started_at=now if is_running else None,
        config=body.config,
        suppress_subtask_events=body.suppress_subtask_events,
        webhook_url=body.webhook_url or None,
        temporal_id=f"workflow-{workflow_id}",
        total_steps=len(body.steps),
        completed_steps=0,
        final_step_id=final_step_id(topological_order(body.steps)),
        errors=[],
        last_seq=0,
        is_deleted=False,
        created_at=now,
        updated_at=now,
        **vars(origin),
    )


async def _draft_step(
    draft: _Draft,
    step: WorkflowStepDefinition,
    body: CreateWorkflow,
    origin: Origin,
    res: Resources,
    caller: Principal,
) -> list[Fault]:
    if step.task_type not in SERVED_TYPES:
        served = ", ".join(sorted(SERVED_TYPES))
        return [Fault(("task_type",), f"{step.task_type} is not served yet; these are: {served}")]
    request, faults = validate_step(step, body, origin)
    if request is None:
        return faults
    mapped = {mapping.to_field for mapping in step.input_mappings}
    task, task_faults = draft_task(request, origin, res.model, mapped=mapped)
    uploads, image_faults = await resolve_images(task, res, caller)
    task.workflow_id, task.step_id = draft.workflow.id, step.id
    task.temporal_id, task.max_retries = draft.workflow.temporal_id, step.max_retries
    draft.tasks[step.id] = task
    draft.uploads += uploads
    return [Fault(("config", *f.loc), f.message) for f in task_faults + image_faults]


def _step_row(position: int, step: WorkflowStepDefinition, task: Task) -> WorkflowStep:
    now = datetime.now(UTC)
    return WorkflowStep(
        id=uuid.uuid4(),
        position=position,
        step_id=step.id,
        task_type=step.task_type,
        config=step.config,
        dependencies=dependencies(step),
        input_mappings=[m.model_dump(mode="json") for m in step.input_mappings],
        status=StepStatus.PENDING,
        task_id=task.id,
        retry_count=0,
        max_retries=step.max_retries,
        provider_config=task.provider_config,
        active_provider_capabilities=task.active_provider_capabilities,
        fallback_provider_type=task.fallback_provider_type,
        fallback_provider_config=task.fallback_provider_config,
        fallback_provider_capabilities=task.fallback_provider_capabilities,
        created_at=now,
        updated_at=now,
    )
