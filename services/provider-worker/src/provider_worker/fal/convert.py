"""Conversion of a task to the input of a fal app. Pure functions; objects are given as URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from provider_worker.fal.urls import check_app_id
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import TaskType
from shared.contracts.error_text import describe_faults
from shared.contracts.generation import GenerationInputs
from shared.contracts.message import Message
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

_M = TypeVar("_M", bound=BaseModel)
_FLUX, _FLUX_WITH_LORAS = "fal-ai/flux/dev", "fal-ai/flux-lora"
_FROM_A_PICTURE = f"{_FLUX_WITH_LORAS}/image-to-image"


@dataclass(frozen=True)
class FalCall:
    """A fal app and its input."""

    app_id: str
    input: dict[str, Any]


@dataclass(frozen=True)
class NeededObjects:
    """Keys of the stored objects that fal must be able to read."""

    pictures: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


class FalOptions(Message):
    """The fields of `provider_config` for fal."""

    fal_app_id: str | None = None
    additional_static_params: dict[str, Any] | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters that are passed to fal unchanged."""
        return self.additional_static_params or {}


class _Generation(GenerationInputs):
    """Inputs of a GENERATION at fal."""

    fal_app_id: str | None = None


class _AppRun(Message):
    """Inputs of an EXPERIMENTAL_FAL: an app and its parameters, both chosen by the client."""

    fal_app_id: str
    fal_parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    fal_objects: list[str] = Field(default_factory=list[str])
    """Strings in the parameters that are keys of objects the client may read."""


def read_options(work: RemoteWork) -> FalOptions:
    """Return the task's provider configuration for fal."""
    return _read(FalOptions, work.provider_config)


def needed_objects(work: RemoteWork) -> NeededObjects:
    """Return the stored objects that the request refers to.

    Raises:
        InvalidInputError: the task's inputs are incomplete.
    """
    if work.task_type == TaskType.EXPERIMENTAL_FAL:
        return NeededObjects(pictures=frozenset(_read(_AppRun, work.inputs).fal_objects))
    inputs = _read(_Generation, work.inputs)
    unresolved = {name for name in LORA_FIELDS if work.inputs.get(name)} - set(inputs.lora_objects)
    if unresolved:
        raise InvalidInputError(f"{', '.join(sorted(unresolved))}: the LoRA is not in the store")
    reference = inputs.reference_image_url
    return NeededObjects(
        pictures=frozenset({reference} if reference else ()),
        files=frozenset(lora.object_key for lora in inputs.loras),
    )


def fal_call(work: RemoteWork, urls: Mapping[str, str]) -> FalCall:
    """Convert a task to a fal app and its input.

    Args:
        work: the task.
        urls: a URL for each of its `needed_objects`.

    Raises:
        InvalidInputError: the task's inputs are incomplete, or name no valid app.
    """
    if work.task_type == TaskType.EXPERIMENTAL_FAL:
        return _app_call(work, urls)
    return _generation_call(work, urls)


def _app_call(work: RemoteWork, urls: Mapping[str, str]) -> FalCall:
    run = _read(_AppRun, work.inputs)
    parameters = {**read_options(work).params, **_replaced(run.fal_parameters, urls)}
    return FalCall(check_app_id(run.fal_app_id), parameters)


def _generation_call(work: RemoteWork, urls: Mapping[str, str]) -> FalCall:
    inputs, options = _read(_Generation, work.inputs), read_options(work)
    config, reference, loras = inputs.config, inputs.reference_image_url, inputs.loras
    app = options.fal_app_id or inputs.fal_app_id
    body: dict[str, Any] = {
        "prompt": inputs.prompt,
        "image_size": {"width": inputs.width, "height": inputs.height},
        "seed": inputs.seed,
        "num_images": config.num_images,
        "num_inference_steps": config.num_inference_steps,
        "guidance_scale": config.guidance_scale,
        "negative_prompt": config.negative_prompt,
    }
    if loras:
        body["loras"] = [{"path": urls[lora.object_key], "scale": lora.weight} for lora in loras]
    if reference:
        body["image_url"] = urls[reference]
        body["strength"] = round(1 - inputs.reference_image_strength / 100, 4)
    if app is None:
        # The image-to-image app of plain flux has no image_size: it would lose width and height.
        app = _FROM_A_PICTURE if reference else _FLUX_WITH_LORAS if loras else _FLUX
        body["output_format"] = "png"
    named = {name: value for name, value in body.items() if value is not None}
    # Parameters that the client set for fal override the general ones.
    return FalCall(check_app_id(app), {**named, **options.params})


def _replaced(value: Any, urls: Mapping[str, str]) -> Any:
    """Return the data with object keys replaced by URLs, at any depth."""
    if isinstance(value, str):
        return urls.get(value, value)
    if isinstance(value, list):
        return [_replaced(item, urls) for item in value]  # pyright: ignore[reportUnknownVariableType] -- JSON
    if isinstance(value, dict):
        return {name: _replaced(item, urls) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType] -- JSON
    return value


def _read(model: type[_M], data: Mapping[str, Any]) -> _M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        message = f"the inputs are incomplete: {describe_faults(error)}"
        raise InvalidInputError(message) from None
