"""Conversion of an EDITING to FASHN's try-on. Pure functions; pictures are given as URLs."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from provider_worker.inputs import read_inputs
from provider_worker.ratios import nearest_ratio
from shared.contracts.fashn_options import MODEL_NAME, OPTIONS, TRYON, TRYON_MAX
from shared.contracts.message import Message
from shared.contracts.options import as_sent
from shared.contracts.provenance import Provenance
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

BASE_FIELD, GARMENT_FIELD = "base_image", "reference_images"
"""Request fields of the person and of the garment."""
_SEEDS = 2**32
_RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
_DEFAULTS: dict[str, dict[str, Any]] = {
    TRYON: {
        "category": "auto",
        "mode": "quality",
        "moderation_level": "permissive",
        "num_samples": 1,
    },
    TRYON_MAX: {"num_images": 1},
}


class FashnOptions(Message):
    """The fields of `provider_config` for FASHN."""

    max_image_height: int = Field(default=2000, ge=256, le=8000)
    max_wait_seconds: int | None = Field(default=None, ge=1)
    poll_interval: int = Field(default=2, ge=1, le=60)


class _TryOnInputs(Message):
    """Inputs of an EDITING as a try-on."""

    prompt: str
    base_image: str
    reference_images: list[str] = Field(default_factory=list[str])
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    seed: int | None = None
    fal_app_id: str | None = None
    config: dict[str, Any] = Field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class TryOn:
    """A try-on, less its pictures.

    Attributes:
        model_name: FASHN's model.
        person: object key of the picture of a person.
        garment: object key of the picture of a garment.
        inputs: the model's inputs, less the pictures.
        ignored: request fields without a place at the model.
    """

    model_name: str
    person: str
    garment: str
    inputs: dict[str, Any]
    ignored: list[str]

    @property
    def seed(self) -> int | None:
        """The seed, as FASHN takes it."""
        return self.inputs.get("seed")

    @property
    def provenance(self) -> Provenance:
        """The model, and the request fields that did not reach it."""
        return Provenance(engine="fashn", model=self.model_name, ignored=self.ignored)


def read_options(work: RemoteWork) -> FashnOptions:
    """Return the task's provider configuration for FASHN."""
    return read_inputs(FashnOptions, work.provider_config)


def try_on(work: RemoteWork) -> TryOn:
    """Convert a task.

    Raises:
        InvalidInputError: the task's inputs are incomplete, or FASHN cannot do what they ask for.
    """
    given = read_inputs(_TryOnInputs, work.inputs)
    if len(given.reference_images) != 1:
        raise InvalidInputError(
            f"{GARMENT_FIELD}: a try-on takes exactly one, the garment; the request has"
            f" {len(given.reference_images)}"
        )
    model_name = given.config.get("model_name", TRYON)
    _check("model_name", MODEL_NAME.fault(model_name))
    known = OPTIONS[model_name]
    chosen = {name: value for name, value in given.config.items() if value is not None}
    inputs = _DEFAULTS[model_name] | {
        name: value for name, value in chosen.items() if name in known
    }
    for name, value in inputs.items():
        _check(name, known[name].fault(value))
        inputs[name] = as_sent(known[name], value)
    if given.seed is not None:
        inputs["seed"] = given.seed % _SEEDS
    if model_name == TRYON_MAX:
        inputs["prompt"] = given.prompt
        inputs["aspect_ratio"] = nearest_ratio(given.width, given.height, _RATIOS)
    inputs |= {"output_format": "png", "return_base64": False}
    ignored = _ignored(given, model_name)
    return TryOn(model_name, given.base_image, given.reference_images[0], inputs, ignored)


def request_body(work: TryOn, person_url: str, garment_url: str) -> dict[str, Any]:
    """Return the body of the request."""
    garment = "product_image" if work.model_name == TRYON_MAX else "garment_image"
    pictures = {"model_image": person_url, garment: garment_url}
    return {"model_name": work.model_name, "inputs": {**pictures, **work.inputs}}


def _ignored(given: _TryOnInputs, model_name: str) -> list[str]:
    """Return the fields that the model does not read; keys of `config` if it is another model's."""
    fields = [] if model_name == TRYON_MAX else ["prompt", "width", "height"]
    if given.fal_app_id is not None:
        fields.append("fal_app_id")
    others = {name for known in OPTIONS.values() for name in known} - OPTIONS[model_name].keys()
    return [*fields, *(f"config.{name}" for name in given.config if name in others)]


def _check(name: str, fault: str | None) -> None:
    if fault:
        raise InvalidInputError(f"config.{name} {fault}")
