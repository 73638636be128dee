"""From a request to a task's row: its provider, its queue, its sizes and seeds decided."""

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.editing_checks import check_editing
from api_gateway.tasks.provider_checks import choose_provider
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.size_checks import check_size
from shared.contracts.capabilities import LORA_FIELDS, lora_weight_field
from shared.contracts.enums import ProviderType, TaskStatus, TaskType
from shared.contracts.generation import MAX_LORA_WEIGHT
from shared.db.models.tables import Task
from shared.settings import ModelSettings

_COMMON_FIELDS = frozenset(CreateTaskBase.model_fields) | {"task_type"}
_SEED_BOUND = 2**31
_DEFAULT_SIDE_PX = 1024


def own_fields(schema: type[CreateTaskBase]) -> frozenset[str]:
    """The fields of a create request that are its type's own, not every task's."""
    return frozenset(schema.model_fields) - schema.replaced_fields - _COMMON_FIELDS


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
    # A size that was not asked for is decided below, by what the model can do.
    unasked = {"width", "height"} - body.model_fields_set
    inputs = {n: value for n, value in sent.items() if value is not None and n not in unasked}
    fields = {**inputs, **dict.fromkeys(mapped, "mapped"), "config": config}
    provider, queue, faults = choose_provider(task_type, body, fields)
    does_local = ProviderType.LOCAL in {provider, body.fallback_provider_type}
    if task_type == TaskType.EDITING and does_local:
        faults += check_editing(fields, model)
    if provider in _SEEDED_BY_CONFIG:
        _choose_seeds(config, mapped, "seed")
    complete = _COMPLETIONS.get(task_type)
    if complete is not None:
        faults += complete(inputs, mapped, model if does_local else None)
    task = _row(body, origin, config=config, inputs=inputs)
    task.task_type, task.provider_type, task.queue_name = task_type, provider, queue
    return task, faults


def _row(
    body: CreateTaskBase, origin: Origin, *, config: dict[str, Any], inputs: dict[str, Any]
) -> Task:
    """What is the same for a task of any type: nothing has happened to it."""
    task_id = uuid.uuid4()
    fallback = body.fallback_provider_config
    return Task(
        id=task_id,
        priority=body.priority,
        config=config,
        inputs=inputs,
        provider_config=body.provider_config and body.provider_config.model_dump(mode="json"),
        active_provider_capabilities=body.active_provider_capabilities,
        fallback_provider_type=body.fallback_provider_type,
        fallback_provider_config=fallback and fallback.model_dump(mode="json"),
        fallback_provider_capabilities=body.fallback_provider_capabilities,
        temporal_id=f"task-{task_id}",
        webhook_url=body.webhook_url or None,
        status=TaskStatus.PENDING,
        progress=0,
        attempt=0,
        retry_count=0,
        max_retries=3,
        errors=[],
        results={},
        last_seq=0,
        **vars(origin),
    )


_SEEDED_BY_CONFIG = frozenset(
    {ProviderType.SARTIQ_ULTIMATE_FACE_FIXER, ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER}
)
"""Whose requests have no field for a seed but a key of `config`."""

Completion = Callable[[dict[str, Any], frozenset[str], ModelSettings | None], list[Fault]]
"""Fills in what the request leaves open.

It takes the inputs, the names of mapped ones, and the local model where that one does the work;
it answers what is wrong.
"""


def _complete_generation(
    inputs: dict[str, Any], mapped: frozenset[str], model: ModelSettings | None
) -> list[Fault]:
    faults = _complete_size(inputs, mapped, model)
    _choose_seeds(inputs, mapped, "seed")
    if "reference_image_strength" not in mapped:
        inputs.setdefault("reference_image_strength", 50)
    return faults + (_check_weights(inputs) if model is not None else [])


def _check_weights(inputs: Mapping[str, Any]) -> list[Fault]:
    """How strongly LoRAs may act on the local model."""
    return [
        Fault((name,), f"goes from {-MAX_LORA_WEIGHT} to {MAX_LORA_WEIGHT}")
        for name in map(lora_weight_field, LORA_FIELDS)
        if abs(inputs.get(name, 0)) > MAX_LORA_WEIGHT
    ]


def _complete_editing(
    inputs: dict[str, Any], mapped: frozenset[str], model: ModelSettings | None
) -> list[Fault]:
    _choose_seeds(inputs, mapped, "seed")
    return _complete_size(inputs, mapped, model)


def _complete_refine(
    inputs: dict[str, Any], mapped: frozenset[str], _model: ModelSettings | None
) -> list[Fault]:
    _choose_seeds(inputs, mapped, "upscale_seed", "face_detail_seed")
    return []


_COMPLETIONS: dict[TaskType, Completion] = {
    TaskType.GENERATION: _complete_generation,
    TaskType.EDITING: _complete_editing,
    TaskType.REFINE: _complete_refine,
}


def _choose_seeds(inputs: dict[str, Any], mapped: frozenset[str], *names: str) -> None:
    """Chosen now, so that a retry makes the same picture."""
    for name in names:
        if name not in mapped and inputs.get(name) is None:
            inputs[name] = secrets.randbelow(_SEED_BOUND)


def _complete_size(
    inputs: dict[str, Any], mapped: frozenset[str], model: ModelSettings | None
) -> list[Fault]:
    faults: list[Fault] = []
    for side in ("width", "height"):
        if side in mapped:
            continue
        default = _DEFAULT_SIDE_PX if model is None else min(_DEFAULT_SIDE_PX, model.native_side_px)
        inputs.setdefault(side, default)
        faults += check_size(side, inputs[side], model) if model is not None else []
    return faults
