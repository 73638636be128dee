"""New configs for steps that a resume runs again, checked as when a workflow is created."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.ownership import Origin
from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault, InvalidRequestError, Problem
from api_gateway.fault_list import named
from api_gateway.ignored.report import IgnoredFields
from api_gateway.request_fields import JsonObject
from api_gateway.resources import Resources
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.uploads import Upload
from api_gateway.workflows.drafting import WorkflowDraft, draft_step, recorded_config
from api_gateway.workflows.ignored_fields import unknown_in_step
from api_gateway.workflows.reset import is_reused
from api_gateway.workflows.resume_schemas import ResumeWorkflow, StepOverride
from api_gateway.workflows.schemas import CreateWorkflow, WorkflowStepDefinition
from shared.contracts.enums import TaskType
from shared.contracts.json_texts import renamed
from shared.contracts.pictures import field_meant
from shared.contracts.task_types.table import TASK_TYPES
from shared.contracts.untrusted import describe_error
from shared.db.models.tables import StoredObject, Task, Workflow, WorkflowStep
from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_objects
from shared.db.repositories.tasks import is_untried


@dataclass(frozen=True)
class Override:
    """The checked override of one step."""

    before: JsonObject | None
    """The step's config when the override was checked."""
    config: JsonObject
    """The new config, for the record."""
    draft: Task
    """The step's task, with the new inputs and engine configuration."""


@dataclass(frozen=True)
class Overrides:
    """The checked overrides of a resume, by step."""

    steps: dict[str, Override] = field(default_factory=dict[str, Override])
    uploads: list[Upload] = field(default_factory=list[Upload])

    def shown(self) -> dict[str, JsonObject]:
        """Return the configs with digests in place of images that are not stored yet."""
        digests = {upload.row.key: f"sha256:{upload.row.sha256}" for upload in self.uploads}
        return {
            step_id: renamed(override.config, digests) for step_id, override in self.steps.items()
        }

    async def without_stored(self, session: AsyncSession, scope: Scope) -> "Overrides":
        """Return the overrides without uploads that have a row; the caller has locked the workflow.

        A step that has not begun may have them from its creation, or from another resume.
        """
        found = await find_objects(session, scope, [upload.row.key for upload in self.uploads])
        known = {key for key, row in found.items() if row.lost_at is None}
        return replace(self, uploads=[each for each in self.uploads if each.row.key not in known])

    async def add_upload_rows(self, session: AsyncSession) -> None:
        """Write the rows of the uploads."""
        for upload in self.uploads:
            lost = await session.get(StoredObject, upload.row.key)
            if lost is None:
                session.add(upload.row)
            else:
                lost.lost_at = None

    def apply(self, step: WorkflowStep, task: Task) -> bool:
        """Apply the override of a step, if it has one, and return whether it has.

        Args:
            step: the step, locked.
            task: the task that it is to run; not begun.

        Raises:
            Problem: 409, another resume has changed the step since the override was checked.
        """
        override = self.steps.get(step.step_id)
        if override is None:
            return False
        is_new, was_new = (each.id != step.task_id for each in (task, override.draft))
        if step.config != override.before or is_new != was_new:
            message = f"step {step.step_id!r} was changed by another request; read it and try again"
            raise Problem(409, "conflict", message)
        step.config = override.config
        task.warnings = step.warnings = override.draft.warnings
        task.id = override.draft.id
        task.inputs, task.config = override.draft.inputs, override.draft.config
        task.queue_name = override.draft.queue_name  # the config's editor decides it too
        return True


async def draft_overrides(
    res: Resources,
    caller: Principal,
    workflow: Workflow,
    tasks: Mapping[str, Task],
    body: ResumeWorkflow,
    ignored: IgnoredFields,
) -> Overrides:
    """Check and prepare overrides; nothing is stored yet.

    Args:
        res: the gateway's connections.
        caller: the owner of the images and LoRAs that may be named.
        workflow: FAILED or PAUSED.
        tasks: the current task of each step.
        body: the request.
        ignored: collects unknown fields.

    Raises:
        InvalidRequestError: names every step and field that is wrong.
    """
    sent = body.steps
    if faults := _misplaced(workflow, sent):
        raise InvalidRequestError(faults)
    drafting = _Drafting(res, caller, workflow)
    for step in workflow.steps:
        if step.step_id in sent:
            place = ("body", "steps", step.step_id, "config")
            ignored.note(unknown_in_step(step.task_type, sent[step.step_id].config, place))
            await drafting.add(step, tasks[step.step_id], sent[step.step_id].config)
    if drafting.faults:
        raise InvalidRequestError(drafting.faults)
    async with res.sessions() as session:
        overrides = Overrides(drafting.steps, drafting.draft.uploads)
        return await overrides.without_stored(session, caller.scope)


def _misplaced(workflow: Workflow, sent: Mapping[str, StepOverride]) -> list[Fault]:
    """Return a fault for each override of a step that does not exist or does not run again."""
    to_run = [step.step_id for step in workflow.steps if not is_reused(step)]
    known = {step.step_id for step in workflow.steps}
    return [
        Fault(
            ("body", "steps", step_id),
            f"{'has completed' if step_id in known else 'is no step of this workflow'}; steps that"
            f" run again are {named(to_run) or 'none'}",
        )
        for step_id in sent
        if step_id not in to_run
    ]


class _Drafting:
    """The overridden steps of one workflow, drafted as for a new workflow."""

    def __init__(self, res: Resources, caller: Principal, workflow: Workflow) -> None:
        self._res, self._caller, self._workflow = res, caller, workflow
        self._origin = Origin(
            workflow.origin_instance,
            workflow.origin_zone,
            workflow.origin_tenant_id,
            workflow.origin_reference,
        )
        self.draft = WorkflowDraft(workflow)
        self.steps: dict[str, Override] = {}
        self.faults: list[Fault] = []

    async def add(self, step: WorkflowStep, task: Task, config: JsonObject) -> None:
        """Draft one step, and collect its faults."""
        if is_untried(task):
            self.draft.task_ids[step.step_id] = task.id
        place = ("body", "steps", step.step_id)
        try:
            definition = _definition(step, config)
        except ValidationError as error:
            outdated = (
                f"was recorded under other rules and cannot be changed: {describe_error(error)}"
            )
            self.faults.append(Fault(place, outdated))
            return
        faults = _unusable(definition, config)
        if not faults:
            definition.config = merged(step, config)
            faults = await draft_step(
                self.draft,
                definition,
                self._request(definition),
                self._origin,
                self._res,
                self._caller,
            )
        self.faults += [Fault((*place, *f.loc), f.message, f.kind) for f in faults]
        if not faults:
            drafted = self.draft.tasks[step.step_id]
            recorded = recorded_config(definition, drafted)
            _copy_unchanged(task, drafted, config)
            self.steps[step.step_id] = Override(step.config, recorded, drafted)

    def _request(self, definition: WorkflowStepDefinition) -> CreateWorkflow:
        return CreateWorkflow(
            name=self._workflow.name,
            steps=[definition],
            origin_instance=self._workflow.origin_instance,
            webhook_url=self._workflow.webhook_url,
            suppress_subtask_events=self._workflow.suppress_subtask_events,
        )


def _definition(step: WorkflowStep, config: JsonObject) -> WorkflowStepDefinition:
    return WorkflowStepDefinition.model_validate(
        {
            "id": step.step_id,
            "task_type": step.task_type,
            "config": config,
            "depends_on": step.dependencies,
            "input_mappings": step.input_mappings,
            "max_retries": step.max_retries,
            "provider_config": step.provider_config,
            "active_provider_capabilities": step.active_provider_capabilities,
            "fallback_provider_type": step.fallback_provider_type,
            "fallback_provider_config": step.fallback_provider_config,
            "fallback_provider_capabilities": step.fallback_provider_capabilities,
        }
    )


def merged(step: WorkflowStep, config: JsonObject) -> JsonObject:
    """Return a step's config with an override, merged by field and by key of the engine's `config`.

    Pure. Names that mean the same input count as one field. Keys of the engine may be in `config`
    or beside the fields: the override's value counts, wherever the step has the key.
    """
    task_type = TaskType(step.task_type)
    known = SCHEMAS[task_type].create.model_fields.keys()
    (sent, sent_inside), (has, has_inside) = _parts(config), _parts(step.config or {})
    if config.get("config", {}) is None:
        has_inside = {}
    meant = {_input_name(task_type, name) for name in sent}
    kept = {
        name: value
        for name, value in has.items()
        if _input_name(task_type, name) not in meant and (name in known or name not in sent_inside)
    }
    loose = sent.keys() - known
    inside = {key: value for key, value in has_inside.items() if key not in loose} | sent_inside
    given = {name: value for name, value in (kept | sent).items() if value is not None}
    return given | ({"config": inside} if inside else {})


def _parts(config: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Split a config into its fields and the engine's keys in `config`."""
    fields = {name: value for name, value in config.items() if name != "config"}
    inside = config.get("config")
    return fields, cast("JsonObject", inside) if isinstance(inside, dict) else {}


def _input_name(task_type: TaskType, name: str) -> str:
    replaced = SCHEMAS[task_type].create.replaced_fields
    return field_meant(task_type, replaced.get(name, name))


def _unusable(definition: WorkflowStepDefinition, config: JsonObject) -> list[Fault]:
    """Return a fault for each field that cannot have an effect."""
    sources = {mapping.to_field: mapping.from_step for mapping in definition.input_mappings}
    fields = {name: _input_name(definition.task_type, name) for name in config}
    faults = [
        Fault(("config", name), f"is mapped from step {sources[meant]!r}; leave it out")
        for name, meant in fields.items()
        if meant in sources
    ]
    if not isinstance(config.get("config"), dict | None):
        faults.append(Fault(("config", "config"), "must be an object"))
    return faults


def _copy_unchanged(task: Task, drafted: Task, config: JsonObject) -> None:
    """Copy what is not overridden from the current task: drawn seeds and fetched images."""
    task_type = TaskType(task.task_type)
    sent = {_input_name(task_type, name) for name in config}
    for name in TASK_TYPES[task_type].inputs.model_fields.keys() - sent:
        if name in drafted.inputs and name in task.inputs:
            drafted.inputs[name] = task.inputs[name]
    is_seed_sent = "seed" in sent or "seed" in _parts(config)[1]
    if not is_seed_sent and "seed" in drafted.config and "seed" in task.config:
        drafted.config["seed"] = task.config["seed"]
