"""Conversion of a request to a task's row, with its provider, queue, sizes and seeds."""

import secrets
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.checks.local_model import check_cutout_models, check_local_request
from api_gateway.tasks.checks.no_effect import no_effect_warnings
from api_gateway.tasks.checks.providers import choose_provider
from api_gateway.tasks.checks.remote import check_remote_request, unread_config_warnings
from api_gateway.tasks.schemas.create import CreateTaskBase
from shared.contracts.editors import EditorKind
from shared.contracts.enums import ProviderType, TaskStatus, TaskType
from shared.contracts.local_limits import MAX_SIDE_PX, SIDES
from shared.contracts.providers import PROVIDERS, task_queue
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.shapes import Kind, input_shape
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.settings import ModelSettings

_SEED_BOUND = 2**31
_DEFAULT_SIDE_PX = 1024


def draft_task(
    body: CreateTaskBase,
    origin: Origin,
    model: ModelSettings,
    *,
    mapped: Iterable[str] = (),
) -> tuple[Task, list[Fault]]:
    """Return a row, not added to a session yet, and the faults of the request.

    Args:
        body: the validated request.
        origin: the owner of the task.
        model: the limits of the local model.
        mapped: fields that an earlier step of a workflow will give.
    """
    task_type = TaskType(body.task_type)  # pyright: ignore[reportAttributeAccessIssue,reportUnknownArgumentType,reportUnknownMemberType] -- every subclass has it
    row, mapped = TASK_TYPES[task_type], frozenset(mapped)
    config = {key: value for key, value in (body.config or {}).items() if key not in mapped}
    sent = body.model_dump(mode="json", include=row.inputs.model_fields.keys() - mapped)
    # A size that was not sent is chosen in `_complete`, by what the model can do.
    unasked = {*SIDES} - body.model_fields_set
    inputs = {n: value for n, value in sent.items() if value is not None and n not in unasked}
    stand_ins = {name: _stand_in(row, name) for name in mapped}
    given = {**inputs, **stand_ins, "config": {**config}}

    decision = choose_provider(task_type, body, given)
    local = (
        model if ProviderType.LOCAL in {decision.provider, body.fallback_provider_type} else None
    )
    _complete(row, inputs, mapped, local)
    if decision.provider in _SEEDED_BY_CONFIG:
        _choose_seeds(config, mapped, "seed")
    task = _row(body, origin, config=config, inputs=inputs)
    task.task_type, task.provider_type = task_type, decision.provider
    task.queue_name = decision.queue
    if _is_edited_remotely(row, decision.provider, config, mapped, model):
        config["editor"] = EditorKind.VERTEX
        if body.queue_name is None:
            task.queue_name = task_queue(decision.provider, task_type, config)

    faults = [*decision.faults, *check_cutout_models(body, model)]
    faults += check_remote_request(task_type, decision.provider, body, given)
    if local is not None:
        faults += check_local_request(task_type, given, inputs, local)
    task.warnings = [
        *decision.warnings,
        *no_effect_warnings(task_type, inputs, mapped),
        *unread_config_warnings(task_type, decision.provider, body, given),
    ] or None
    return task, faults


def _stand_in(row: TaskTypeRow, name: str) -> object:
    """Return a placeholder for a mapped value; the value is checked once it is mapped."""
    return False if input_shape(row, name).kind is Kind.TRUTH else "mapped"


def _row(
    body: CreateTaskBase, origin: Origin, *, config: dict[str, Any], inputs: dict[str, Any]
) -> Task:
    """Return a new row, pending, with the fields that tasks of any type share."""
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


def _is_edited_remotely(
    row: TaskTypeRow,
    provider: ProviderType,
    config: Mapping[str, Any],
    mapped: frozenset[str],
    model: ModelSettings,
) -> bool:
    """Return true if a provider's model edits the tiles by the settings, not by the request."""
    is_open = config.get("editor") is None and "editor" not in mapped
    is_ours = row.is_tiled and not PROVIDERS[provider].is_remote
    return is_open and is_ours and model.editor is EditorKind.VERTEX


_SEEDED_BY_CONFIG = frozenset(
    {ProviderType.SARTIQ_ULTIMATE_FACE_FIXER, ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER}
)
"""Providers whose requests take a seed only as a key of `config`."""


def _complete(
    row: TaskTypeRow,
    inputs: dict[str, Any],
    mapped: frozenset[str],
    model: ModelSettings | None,
) -> None:
    """Fill in what a request leaves open: seeds, defaults and sizes.

    Args:
        row: the task's type.
        inputs: the request's inputs; changed in place.
        mapped: names of inputs that an earlier step will give.
        model: the local model, if it may do the work.
    """
    _choose_seeds(inputs, mapped, *row.seeds)
    for name in row.defaults.keys() - mapped:
        inputs.setdefault(name, row.defaults[name])
    if model is not None and not mapped.isdisjoint(SIDES):
        inputs[MAX_SIDE_PX] = model.max_side_px
    for side in SIDES:
        if side in row.inputs.model_fields and side not in mapped:
            most = _DEFAULT_SIDE_PX if model is None else model.native_side_px
            inputs.setdefault(side, min(_DEFAULT_SIDE_PX, most))


def _choose_seeds(inputs: dict[str, Any], mapped: frozenset[str], *names: str) -> None:
    """Draw missing seeds now, so that a retry produces the same image."""
    for name in names:
        if name not in mapped and inputs.get(name) is None:
            inputs[name] = secrets.randbelow(_SEED_BOUND)
