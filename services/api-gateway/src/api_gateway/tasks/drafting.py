"""From a request to a task's row: its provider, its queue, its sizes and seeds decided."""

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.provider_checks import choose_provider
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.size_checks import check_size
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import TaskType
from shared.db.models.tables import Task
from shared.settings import ModelSettings

SERVED_TYPES = frozenset({TaskType.GENERATION, TaskType.REFINE})
"""Task types that have a worker."""

_COMMON_FIELDS = frozenset(CreateTaskBase.model_fields) | {"task_type"}
_SEED_BOUND = 2**31


def own_fields(schema: type[CreateTaskBase]) -> frozenset[str]:
    """The fields of a create request that are its type's own, not every task's."""
    return frozenset(schema.model_fields) - _COMMON_FIELDS


def draft_task(
    body: CreateTaskBase,
    origin: Origin,
    model: ModelSettings,
    *,
    mapped: Iterable[str] = (),
) -> tuple[Task, list[Fault]]:
    """A row for a request, not yet in any session, and what is wrong with the request.

    Args:
        body: the validated request.
        origin: whom the task will belong to.
        model: which sizes the local model can do.
        mapped: fields that an earlier step of a workflow will give.
    """
    task_type = TaskType(body.task_type)  # pyright: ignore[reportAttributeAccessIssue,reportUnknownArgumentType,reportUnknownMemberType] -- every subclass has it
    mapped = frozenset(mapped)
    config = {key: value for key, value in (body.config or {}).items() if key not in mapped}
    sent = body.model_dump(mode="json", include=set(own_fields(type(body)) - mapped))
    inputs = {name: value for name, value in sent.items() if value is not None}
    fields = {**inputs, **dict.fromkeys(mapped, "mapped"), "config": config}
    provider, queue, faults = choose_provider(task_type, body, fields)
    if task_type == TaskType.GENERATION:
        faults += _complete_generation(inputs, mapped, model)
    if task_type == TaskType.REFINE:
        faults += _complete_refine(inputs, mapped)
    provider_config = body.provider_config.model_dump(mode="json") if body.provider_config else None
    fallback = body.fallback_provider_config
    task_id = uuid.uuid4()
    task = Task(
        id=task_id,
        task_type=task_type,
        provider_type=provider,
        queue_name=queue,
        priority=body.priority,
        config=config,
        inputs=inputs,
        provider_config=provider_config,
        active_provider_capabilities=body.active_provider_capabilities,
        fallback_provider_type=body.fallback_provider_type,
        fallback_provider_config=fallback.model_dump(mode="json") if fallback else None,
        fallback_provider_capabilities=body.fallback_provider_capabilities,
        temporal_id=f"task-{task_id}",
        webhook_url=body.webhook_url or None,
        status="PENDING",
        progress=0,
        attempt=0,
        retry_count=0,
        max_retries=3,
        errors=[],
        results={},
        last_seq=0,
        **vars(origin),
    )
    return task, faults


def _complete_generation(
    inputs: dict[str, Any], mapped: frozenset[str], model: ModelSettings
) -> list[Fault]:
    faults = [
        Fault((name,), "LoRAs are not served yet; leave this field out")
        for name in LORA_FIELDS
        if inputs.get(name)
    ]
    for side in ("width", "height"):
        if side not in mapped:
            inputs.setdefault(side, min(1024, model.native_side_px))
            faults += check_size(side, inputs[side], model)
    if "seed" not in mapped:
        inputs.setdefault("seed", secrets.randbelow(_SEED_BOUND))
    if "reference_image_strength" not in mapped:
        inputs.setdefault("reference_image_strength", 50)
    return faults


def _complete_refine(inputs: dict[str, Any], mapped: frozenset[str]) -> list[Fault]:
    for seed in ("upscale_seed", "face_detail_seed"):
        if seed not in mapped:
            inputs.setdefault(seed, secrets.randbelow(_SEED_BOUND))
    if inputs.get("face_detail_enabled"):
        return [Fault(("face_detail_enabled",), "face detail is not served yet; set it to false")]
    return []
