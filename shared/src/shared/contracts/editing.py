"""What a local EDITING attempt gets and gives. Field names are the REST API's."""

from pydantic import Field

from shared.contracts.attempts import AttemptRequest
from shared.contracts.generation import GenerationConfig
from shared.contracts.message import Message

_MAX_REFERENCES = 8


class EditingConfig(GenerationConfig):
    """The keys of an EDITING's `config` that the engine reads."""

    strength: float = Field(default=0.75, ge=0, le=1)
    """How far a model without instruction editing may leave the picture: 0 keeps it, 1 replaces it.
    Where the base image has transparent parts, only those are replaced."""


class EditingInputs(Message):
    """An EDITING, complete: sizes in pixels, the seed chosen."""

    prompt: str
    base_image: str
    """Object key of the picture to change."""
    reference_images: list[str] = Field(default=[], max_length=_MAX_REFERENCES)
    """Object keys of the pictures that show what is meant. How many of them a model looks at, it
    says itself; the bound is for what a worker fetches first."""
    width: int
    height: int
    seed: int
    config: EditingConfig = EditingConfig()


class EditImage(AttemptRequest):
    """One attempt at an EDITING."""

    inputs: EditingInputs
