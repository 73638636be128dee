"""Messages of local EDITING attempts. Field names are those of the REST API."""

from pydantic import Field

from shared.contracts.attempts import AttemptRequest
from shared.contracts.generation import GenerationConfig
from shared.contracts.message import Message

_MAX_REFERENCES = 8


class EditingConfig(GenerationConfig):
    """Keys of an EDITING's `config` that the engine reads."""

    strength: float = Field(default=0.75, ge=0, le=1)
    """Denoise strength for models without instruction editing: 0 keeps the picture, 1 replaces it.
    If the base image has transparent parts, only those are replaced."""


class EditingInputs(Message):
    """The complete inputs of an EDITING: sizes in pixels, the seed set."""

    prompt: str
    base_image: str
    """Object key of the picture to change."""
    reference_images: list[str] = Field(default=[], max_length=_MAX_REFERENCES)
    """Object keys of the reference pictures. A model may use fewer; this bound limits how many a
    worker fetches."""
    width: int
    height: int
    seed: int
    config: EditingConfig = EditingConfig()


class EditImage(AttemptRequest):
    """One attempt at an EDITING."""

    inputs: EditingInputs
