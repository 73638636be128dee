"""From a task to what fal is asked for. Pure: stored objects come in as URLs that fal can read."""

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
_FROM_A_PICTURE = "/image-to-image"


@dataclass(frozen=True)
class FalOrder:
    """What is asked of fal: which app, and its input."""

    app_id: str
    input: dict[str, Any]


@dataclass(frozen=True)
class NeededObjects:
    """The stored objects that fal must be able to read, by key."""

    pictures: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


class FalOptions(Message):
    """What `provider_config` says of fal."""

    fal_app_id: str | None = None
    additional_static_params: dict[str, Any] | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters that go to fal as they are."""
        return self.additional_static_params or {}


class _Generation(GenerationInputs):
    """A GENERATION as fal makes it: with LoRAs."""

    fal_app_id: str | None = None


class _AppRun(Message):
    """An EXPERIMENTAL_FAL: the client's own parameters for an app of the client's choice."""

    fal_app_id: str
    fal_parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    fal_objects: list[str] = Field(default_factory=list[str])
    """Those strings among the parameters that are keys of objects the client may read."""


def read_options(work: RemoteWork) -> FalOptions:
    """The fal part of the task's provider configuration."""
    return _read(FalOptions, work.provider_config)


def needed_objects(work: RemoteWork) -> NeededObjects:
    """The stored objects that the request will name.

    Raises:
        InvalidInputError: the task's inputs are not complete.
    """
    if work.task_type == TaskType.EXPERIMENTAL_FAL:
        return NeededObjects(pictures=frozenset(_read(_AppRun, work.inputs).fal_objects))
    inputs = _read(_Generation, work.inputs)
    unresolved = {name for name in LORA_FIELDS if work.inputs.get(name)} - set(inputs.lora_objects)
    if unresolved:
        raise InvalidInputError(f"{', '.join(sorted(unresolved))} name no LoRA of the store")
    reference = inputs.reference_image_url
    return NeededObjects(
        pictures=frozenset({reference} if reference else ()),
        files=frozenset(lora.object_key for lora in inputs.loras),
    )


def fal_order(work: RemoteWork, urls: Mapping[str, str]) -> FalOrder:
    """What to ask fal for.

    Args:
        work: the task.
        urls: a URL for each of its `needed_objects`.

    Raises:
        InvalidInputError: the task's inputs are not complete, or name no app.
    """
    if work.task_type == TaskType.EXPERIMENTAL_FAL:
        return _app_order(work, urls)
    return _generation_order(work, urls)


def _app_order(work: RemoteWork, urls: Mapping[str, str]) -> FalOrder:
    run = _read(_AppRun, work.inputs)
    parameters = {**read_options(work).params, **_replaced(run.fal_parameters, urls)}
    return FalOrder(check_app_id(run.fal_app_id), parameters)


def _generation_order(work: RemoteWork, urls: Mapping[str, str]) -> FalOrder:
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
        app = (_FLUX_WITH_LORAS if loras else _FLUX) + (_FROM_A_PICTURE if reference else "")
        body["output_format"] = "png"
    named = {name: value for name, value in body.items() if value is not None}
    # What the client says of fal itself wins over what we say for every provider.
    return FalOrder(check_app_id(app), {**named, **options.params})


def _replaced(value: Any, urls: Mapping[str, str]) -> Any:
    """The same data with the keys of objects replaced, however deep they lie."""
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
        message = f"the inputs are not complete: {describe_faults(error)}"
        raise InvalidInputError(message) from None
