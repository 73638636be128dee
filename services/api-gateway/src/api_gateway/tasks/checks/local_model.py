"""Checks of a request against the limits of the models on our own workers. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from api_gateway.errors import Fault
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.own_providers import LocalProviderConfig
from shared.contracts.editing import EditingConfig
from shared.contracts.enums import TaskType
from shared.contracts.error_text import describe_fault
from shared.contracts.local_limits import LORA_WEIGHTS, SIDES, side_fault, weight_fault
from shared.settings import ModelSettings


def check_local_request(
    task_type: TaskType,
    given: Mapping[str, Any],
    inputs: Mapping[str, Any],
    model: ModelSettings,
) -> list[Fault]:
    """Return the faults of a request that our own workers may run.

    Args:
        task_type: the task's type.
        given: the type's own fields as given, `config` included; a field that an earlier step of
            a workflow gives is the string "mapped", and its worker checks it.
        inputs: the task's inputs, completed; without mapped ones.
        model: the limits of the local model.
    """
    faults: list[Fault] = []
    if task_type is TaskType.EDITING:
        faults += _check_references(given.get("reference_images"), model)
        faults += _check_editing_config(given["config"])
    for side in SIDES:
        if side in inputs:
            faults += _check_side(side, inputs[side], model)
    return faults + [
        Fault((name,), fault)
        for name in LORA_WEIGHTS
        if (fault := weight_fault(inputs.get(name, 0)))
    ]


def check_cutout_models(body: CreateTaskBase, model: ModelSettings) -> Iterator[Fault]:
    """Yield a fault for each background-removal model that is not installed."""
    for name in ("provider_config", "fallback_provider_config"):
        config = getattr(body, name)
        if not isinstance(config, LocalProviderConfig):
            continue
        asked = config.rembg_model
        if "rembg_model" in config.model_fields_set and asked not in model.cutout_models:
            there = ", ".join(model.cutout_models)
            message = (
                f"the model {asked} is not installed here; name one that is ({there}), or leave "
                "the field out"
            )
            yield Fault((name, "rembg_model"), message)


def _check_references(references: Any, model: ModelSettings) -> list[Fault]:
    most = model.max_references
    if not references or (most and references == "mapped"):
        return []
    if most == 0:
        message = "the local model takes no reference images; leave this field out"
    elif len(references) > most:
        message = f"has {len(references)} images; the local model takes at most {most}"
    else:
        return []
    return [Fault(("reference_images",), message)]


def _check_editing_config(config: Mapping[str, Any]) -> list[Fault]:
    try:
        EditingConfig.model_validate(config)
    except ValidationError as error:
        return [Fault(("config", *f["loc"]), describe_fault(f)) for f in error.errors()]
    return []


def _check_side(name: str, side_px: int, model: ModelSettings) -> list[Fault]:
    fault = side_fault(side_px, model.max_side_px)
    if fault is None:
        return []
    return [Fault((name,), f"{fault}; {model.native_side_px} is what it was trained at")]
