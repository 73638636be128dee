"""Checks of a training request that its schema does not make: what this installation serves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from api_gateway.errors import Fault
from api_gateway.resources import Resources
from api_gateway.training.schemas import TrainingTaskCreate
from shared.contracts.background_removal import RembgModel
from shared.contracts.datasets import MODEL_STRATEGIES
from shared.contracts.enums import CaptioningStrategy, TrainingType, TransformType
from shared.contracts.error_text import describe_fault
from shared.contracts.training import DEFAULT_BASE_MODEL
from shared.contracts.transforms import TRANSFORMS, BackgroundRemoval


def find_faults(res: Resources, body: TrainingTaskCreate) -> list[Fault]:
    """Return why a request cannot be served; empty if it can."""
    faults = list(_transform_faults(res, body))
    if body.training_type is TrainingType.FULL:
        message = "FULL is not served yet; send LORA, or leave it out"
        faults.append(Fault(("body", "training_type"), message))
    strategy = body.preprocessing_captioning_strategy
    if strategy in MODEL_STRATEGIES and not res.training.can_caption:
        others = ", ".join(each for each in CaptioningStrategy if each not in MODEL_STRATEGIES)
        message = f"{strategy} needs a captioning model, which is not served yet; send {others}"
        faults.append(Fault(("body", "preprocessing_captioning_strategy"), message))
    known = res.training.known_base_models
    if body.base_model_path not in known:
        message = f"this base model is not served here; use one of {', '.join(sorted(known))}"
        faults.append(Fault(("body", "base_model_path"), message))
    return faults


def is_served_model(res: Resources, base_model: str | None) -> bool:
    """Return true if a base model stands for the model that generates pictures here."""
    return base_model == DEFAULT_BASE_MODEL and base_model not in res.training.base_models


def base_model_warnings(res: Resources, body: TrainingTaskCreate) -> list[str]:
    """Return a warning if the packaged small model stands for the base model."""
    if res.model.source or not is_served_model(res, body.base_model_path):
        return []
    return [
        "base_model_path: trained on swatch, the packaged small model, which stands for"
        f" {DEFAULT_BASE_MODEL} in this installation"
    ]


def _transform_faults(res: Resources, body: TrainingTaskCreate) -> Iterator[Fault]:
    for index, transform in enumerate(body.preprocessing_transforms or []):
        kind = TransformType(transform["type"])
        given = {name: value for name, value in transform.items() if name != "type"}
        for parameter, message in _parameter_faults(kind, given, res.model.cutout_models):
            place = ("body", "preprocessing_transforms", index, parameter)
            yield Fault(place if parameter else place[:-1], message)


def _parameter_faults(
    kind: TransformType, given: Mapping[str, Any], cutout_models: Sequence[RembgModel]
) -> list[tuple[str, str]]:
    """Return the faults of a transform: the parameter, empty if it is not one, and the text."""
    try:
        parameters = TRANSFORMS[kind].model_validate(given)
    except ValidationError as error:
        told: dict[str, list[str]] = {}
        for fault in error.errors(include_url=False):
            # A parameter of several types has a fault for each.
            name = str(fault["loc"][0]) if fault["loc"] else ""
            told.setdefault(name, []).append(_described(kind, dict(fault)))
        return [(name, ", or: ".join(faults)) for name, faults in told.items()]
    if isinstance(parameters, BackgroundRemoval) and parameters.model not in {None, *cutout_models}:
        message = f"this model is not installed here; use one of {', '.join(cutout_models)}"
        return [("model", message)]
    return []


def _described(kind: TransformType, fault: Mapping[str, Any]) -> str:
    if fault["type"] != "extra_forbidden":
        return describe_fault(fault)
    return f"{kind} has no such parameter; it has {', '.join(TRANSFORMS[kind].model_fields)}"
