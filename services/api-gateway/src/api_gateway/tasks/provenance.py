"""Provenance of a task's files, and the request that produces them again."""

from typing import Any
from uuid import UUID

from pydantic import Field, ValidationError

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem, not_found
from api_gateway.recorded import Recorded, from_record, members
from api_gateway.request_fields import JsonObject
from api_gateway.resources import Resources
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.checks import CheckRecord
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.provenance import Provenance, ProvenanceRecord
from shared.contracts.providers import REQUEST_ID_FIELDS
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.tasks import find_task_with_provenance
from shared.lora.names import digest_path

_ORIGIN = ("origin_instance", "origin_zone", "origin_tenant_id")


class TaskProvenance(Recorded):
    """A task's provenance record."""

    task_id: UUID
    task_type: TaskType
    provider_type: ProviderType = Field(description="The provider used, which may be the fallback")
    request: JsonObject = Field(
        description="Produces the same pixels if it is posted to /api/v1/tasks/ and the same model "
        "runs it, as far as an outside provider repeats its results: open fields are filled in, "
        "images are stored paths, and LoRAs are named by their digest"
    )
    lora_paths: dict[str, str] = Field(
        description="The LoRAs as the original request named them, by field"
    )
    made: Provenance = Field(description="The worker's own record")
    checks: CheckRecord | None = Field(
        description="Comparisons of each edited region with its source, per attempt, and the "
        "networks used; null if the task type edits no regions"
    )


async def get_provenance(res: Resources, caller: Principal, task_id: UUID) -> TaskProvenance:
    """Return the provenance of a task that the caller may see.

    Raises:
        Problem: 404, there is no such task, or it has no provenance record.
    """
    async with res.sessions() as session:
        task = await find_task_with_provenance(session, caller.scope, task_id)
    if task is None:
        raise not_found(f"task {task_id}")
    if task.provenance is None:
        raise Problem(
            404,
            "no_provenance",
            f"task {task_id} is {task.status} and has no provenance record; only tasks have one "
            "for which a worker or a provider produced an image different from the input",
        )
    try:
        record = ProvenanceRecord.model_validate(task.provenance)
    except ValidationError:
        message = f"task {task_id} has a provenance record that this version cannot read"
        raise Problem(404, "no_provenance", message) from None
    return _present(task, record)


def _present(task: Task, record: ProvenanceRecord) -> TaskProvenance:
    fields = {
        "task_id": task.id,
        "task_type": TaskType(task.task_type),
        "provider_type": record.provider_type,
        "request": rerun_request(task, record),
        "lora_paths": {n: record.inputs[n] for n in LORA_FIELDS if record.inputs.get(n)},
        "made": record.made,
        "checks": _checks(task),
    }
    return from_record(TaskProvenance, fields)


def _checks(task: Task) -> dict[str, Any] | None:
    results = members(task.results)
    return {name: results[name] for name in CheckRecord.model_fields.keys() & results} or None


def rerun_request(task: Task, record: ProvenanceRecord) -> dict[str, Any]:
    """Return the create request that repeats a task, without its webhook and fallback."""
    task_type = TaskType(task.task_type)
    known = TASK_TYPES[task_type].inputs.model_fields.keys()
    request: dict[str, Any] = {"task_type": task_type, "provider_type": record.provider_type}
    request |= {name: record.inputs[name] for name in known & record.inputs.keys()}
    request |= {lora.field: digest_path(lora.sha256) for lora in record.made.loras}
    request["config"] = _config(task_type, record)
    if provider_config := _provider_config(task_type, record):
        request["provider_config"] = provider_config
    owner = {name: getattr(task, name) for name in _ORIGIN}
    return request | {name: value for name, value in owner.items() if value is not None}


def _provider_config(task_type: TaskType, record: ProvenanceRecord) -> dict[str, Any]:
    """Return the provider's configuration with the background-removal model that was used.

    Ids of work at the provider are left out: a request cannot set them.
    """
    ids = REQUEST_ID_FIELDS.values()
    given = {name: value for name, value in record.provider_config.items() if name not in ids}
    if task_type != TaskType.BACKGROUND_REMOVE:
        return given
    config: dict[str, Any] = {"provider_type": record.provider_type, **given}
    for model in record.made.models:
        config["rembg_model"] = model.name
    return config


def _config(task_type: TaskType, record: ProvenanceRecord) -> dict[str, Any]:
    """Return the engine's configuration with the values that the worker chose."""
    config = {**members(record.inputs.get("config"))}
    if task_type in {TaskType.GENERATION, TaskType.EDITING}:
        chosen = {"num_inference_steps": record.made.steps, "guidance_scale": record.made.guidance}
        config |= {name: value for name, value in chosen.items() if value is not None}
    if record.made.upscaler is not None:
        config["upscaler"] = record.made.upscaler
    return config
