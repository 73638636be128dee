"""Conversion of a task to a request for content. Pure; pictures are given as object keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from provider_worker.inputs import read_inputs
from provider_worker.llm.schema import output_schema
from shared.contracts.enums import TaskType
from shared.contracts.gemini_images import (
    default_image_size,
    has_fixed_size,
    image_size_fault,
    model_fault,
    nearest_ratio,
)
from shared.contracts.message import Message
from shared.contracts.provenance import Provenance
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

_SEEDS = 2**31
_UNREAD = ("negative_prompt", "num_inference_steps", "guidance_scale")
"""Keys of `config` that other providers take."""


@dataclass(frozen=True)
class Defaults:
    """Settings for what a request leaves open.

    Attributes:
        image_model: for pictures.
        text_model: for texts.
        system_instructions: for both; empty: none.
        max_output_tokens: limit of a text and the thoughts before it.
    """

    image_model: str
    text_model: str
    system_instructions: str
    max_output_tokens: int


class GeminiOptions(Message):
    """The fields of `provider_config` for Gemini."""

    model: str | None = None
    aspect_ratio: str | None = None
    image_size: str | None = None
    system_instructions: str | None = None
    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=0.95, ge=0, le=1)


class _PictureInputs(Message):
    """Inputs of a GENERATION or an EDITING."""

    prompt: str
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    seed: int | None = None
    base_image: str | None = None
    reference_images: list[str] | None = None
    reference_image_url: str | None = None
    fal_app_id: str | None = None
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


class _TextInputs(Message):
    """Inputs of an LLM_INTERACTION."""

    prompt: str
    system_prompt: str | None = None
    input_images: list[str] | None = None
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class GeminiWork:
    """A task as a request, less its pictures' contents.

    Attributes:
        model: the model's id.
        prompt: the words.
        pictures: request field and object key of each picture, in order.
        config: fields of the generation, by the names of Google's client.
        wants_picture: true for pictures, and false for a text.
        ratio: requested aspect ratio; none: the model's choice.
        schema: JSON schema of the result; none: a text.
        seed: as it is sent.
        ignored: request fields without a place at the model.
    """

    model: str
    prompt: str
    pictures: Sequence[tuple[str, str]]
    config: dict[str, Any]
    wants_picture: bool
    ratio: str | None = None
    schema: Mapping[str, Any] | None = None
    seed: int | None = None
    ignored: list[str] = field(default_factory=list[str])

    @property
    def provenance(self) -> Provenance:
        """The model, and the request fields that did not reach it."""
        return Provenance(engine="gemini", model=self.model, ignored=self.ignored)


def gemini_work(work: RemoteWork, defaults: Defaults) -> GeminiWork:
    """Convert a task.

    Raises:
        InvalidInputError: its inputs are incomplete, or the model cannot do what they ask for.
    """
    options = read_inputs(GeminiOptions, work.provider_config)
    if work.task_type is TaskType.LLM_INTERACTION:
        return _text_work(work, options, defaults)
    return _picture_work(work, options, defaults)


def _picture_work(work: RemoteWork, options: GeminiOptions, defaults: Defaults) -> GeminiWork:
    given = read_inputs(_PictureInputs, work.inputs)
    model = _model(options, defaults.image_model)
    if given.config.get("num_images") not in (None, 1):
        raise InvalidInputError("config.num_images: Gemini returns one picture a request")
    ratio, image = _image_config(model, options, given)
    seed = None if given.seed is None else given.seed % _SEEDS
    config = _general(options, options.system_instructions, defaults)
    config |= {"seed": seed} if seed is not None else {}
    config |= {"response_modalities": ["TEXT", "IMAGE"]}
    config |= {"image_config": image} if image else {}
    return GeminiWork(
        model=model,
        prompt=given.prompt,
        pictures=_pictures(work.task_type, given),
        config=config,
        wants_picture=True,
        ratio=ratio,
        seed=seed,
        ignored=_ignored(work, given, options),
    )


def _image_config(
    model: str, options: GeminiOptions, given: _PictureInputs
) -> tuple[str | None, dict[str, str]]:
    """Return the aspect ratio, and it and the size as the model takes them."""
    ratio = options.aspect_ratio
    if ratio is None and given.width and given.height:
        ratio = nearest_ratio(model, given.width, given.height)
    found = {"aspect_ratio": ratio} if ratio else {}
    size = options.image_size or default_image_size(model)
    if fault := image_size_fault(model, size):
        raise InvalidInputError(f"image_size: {fault} for {model}")
    return ratio, found if has_fixed_size(model) else found | {"image_size": size}


def _pictures(task_type: TaskType, given: _PictureInputs) -> list[tuple[str, str]]:
    if task_type is TaskType.GENERATION:
        reference = given.reference_image_url
        return [("reference_image", reference)] if reference else []
    if not given.base_image:
        raise InvalidInputError("base_image: an editing needs it")
    references = given.reference_images or []
    return [("base_image", given.base_image), *(("reference_images", key) for key in references)]


def _text_work(work: RemoteWork, options: GeminiOptions, defaults: Defaults) -> GeminiWork:
    given = read_inputs(_TextInputs, work.inputs)
    config = _general(options, given.system_prompt or options.system_instructions, defaults)
    config["max_output_tokens"] = defaults.max_output_tokens
    schema = output_schema(given.config)
    if schema is not None:
        config |= {"response_mime_type": "application/json", "response_json_schema": dict(schema)}
    return GeminiWork(
        model=_model(options, defaults.text_model),
        prompt=given.prompt,
        pictures=[("input_images", key) for key in given.input_images or []],
        config=config,
        wants_picture=False,
        schema=schema,
    )


def _general(
    options: GeminiOptions, system_instructions: str | None, defaults: Defaults
) -> dict[str, Any]:
    config: dict[str, Any] = {"temperature": options.temperature, "top_p": options.top_p}
    told = system_instructions or defaults.system_instructions
    return config | {"system_instruction": told} if told else config


def _model(options: GeminiOptions, default: str) -> str:
    model = options.model or default
    if fault := model_fault(model):
        raise InvalidInputError(f"model: {fault}")
    return model


def _ignored(work: RemoteWork, given: _PictureInputs, options: GeminiOptions) -> list[str]:
    fields = ["width", "height"] if options.aspect_ratio and given.width and given.height else []
    if given.reference_image_url and work.inputs.get("reference_image_strength") is not None:
        fields.append("reference_image_strength")
    if given.fal_app_id is not None:
        fields.append("fal_app_id")
    return [*fields, *(f"config.{name}" for name in _UNREAD if given.config.get(name) is not None)]
