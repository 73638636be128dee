"""Conversion of a request to the rows of a workflow, of its steps and of their tasks."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from api_gateway.auth.ownership import Origin, claim_origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.fault_list import clipped
from api_gateway.resources import Resources
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.inputs.resolution import resolve_inputs
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.uploads import Upload
from api_gateway.workflows.dag import check_dag, dependencies, final_step_id, topological_order
from api_gateway.workflows.schemas import CreateWorkflow, WorkflowStepDefinition
from api_gateway.workflows.step_validation import validate_step
from shared.contracts.enums import StepStatus, WorkflowStatus
from shared.contracts.picture_objects import FAL_PARAMETERS
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task, Workflow, WorkflowStep


@dataclass
class WorkflowDraft:
    """The rows of a new workflow, not added to a session yet."""

    workflow: Workflow
    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    uploads: list[Upload] = field(default_factory=list[Upload])
    faults: list[Fault] = field(default_factory=list[Fault])
    warnings: list[str] = field(default_factory=list[str])
    task_ids: dict[str, uuid.UUID] = field(default_factory=dict[str, uuid.UUID])
    """IDs of tasks that have a row already, by step."""


async def draft_workflow(
    res: Resources, caller: Principal, body: CreateWorkflow, *, start: bool
) -> WorkflowDraft:
    """Return the rows for a request, not added to a session yet.

    Raises:
        InvalidRequestError: names every step and field that is wrong.
    """
    if faults := check_dag(body.steps):
        raise InvalidRequestError(_placed(faults))
    origin = claim_origin(caller, body)
    draft = WorkflowDraft(_workflow_row(body, origin, is_running=start))
    for index, step in enumerate(body.steps):
        faults = await draft_step(draft, step, body, origin, res, caller)
        draft.faults += [Fault((index, *f.loc), f.message, f.kind) for f in faults]
    if draft.faults:
        raise InvalidRequestError(_placed(draft.faults))
    draft.workflow.warnings = draft.warnings or None
    draft.workflow.steps = [
        _step_row(position, step, draft.tasks[step.id])
        for position, step in enumerate(topological_order(body.steps))
    ]
    return draft


def _placed(faults: list[Fault]) -> list[Fault]:
    return [Fault(("body", "steps", *fault.loc), fault.message, fault.kind) for fault in faults]


def _workflow_row(body: CreateWorkflow, origin: Origin, *, is_running: bool) -> Workflow:
    workflow_id, now = uuid.uuid4(), datetime.now(UTC)
    return Workflow(
        id=workflow_id,
        name=body.name,
        description=body.description,
        # RUNNING is written before the run starts: the reconciler starts it after a crash.
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


async def draft_step(
    draft: WorkflowDraft,
    step: WorkflowStepDefinition,
    body: CreateWorkflow,
    origin: Origin,
    res: Resources,
    caller: Principal,
) -> list[Fault]:
    """Add the task of a step to a draft, with its uploads; return the faults of the step."""
    request, faults = validate_step(step, body, origin)
    if request is None:
        return faults
    mapped = {mapping.to_field for mapping in step.input_mappings}
    task, task_faults = draft_task(request, origin, res.model, mapped=mapped)
    task.id = draft.task_ids.get(step.id, task.id)
    uploads, input_faults = await resolve_inputs(task, res, caller)
    task_faults += input_faults
    task.workflow_id, task.step_id = draft.workflow.id, step.id
    task.temporal_id, task.max_retries = draft.workflow.temporal_id, step.max_retries
    draft.tasks[step.id] = task
    draft.warnings += [f"step {clipped(step.id, 40)}: {said}" for said in task.warnings or []]
    draft.uploads += uploads
    return [Fault(_place(f.loc), f.message, f.kind) for f in task_faults]


def _place(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the place within a step of a fault in its task."""
    return loc if str(loc[0]).endswith("provider_config") else ("config", *loc)


def _step_row(position: int, step: WorkflowStepDefinition, task: Task) -> WorkflowStep:
    now = datetime.now(UTC)
    return WorkflowStep(
        id=uuid.uuid4(),
        position=position,
        step_id=step.id,
        task_type=step.task_type,
        config=recorded_config(step, task),
        dependencies=dependencies(step),
        input_mappings=[m.model_dump(mode="json") for m in step.input_mappings],
        status=StepStatus.PENDING,
        task_id=task.id,
        warnings=task.warnings,
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


def recorded_config(step: WorkflowStepDefinition, task: Task) -> dict[str, Any]:
    """Return a step's config for the record, with the paths of images instead of their bytes."""
    fields = TASK_TYPES[step.task_type].pictures
    names = {name for field in fields for name in (field.name, *field.aliases)}
    names |= SCHEMAS[step.task_type].create.replaced_fields.keys()
    resolved = [field.name for field in fields]
    if FAL_PARAMETERS in step.config:
        names.add(FAL_PARAMETERS)
        resolved.append(FAL_PARAMETERS)
    config = {name: value for name, value in step.config.items() if name not in names}
    return config | {name: task.inputs[name] for name in resolved if name in task.inputs}
