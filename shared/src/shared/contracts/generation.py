"""What a GENERATION attempt gets and gives. Field names are the REST API's."""

from pydantic import Field

from shared.contracts.attempts import AttemptRequest, AttemptResult
from shared.contracts.message import Message


class GenerationConfig(Message):
    """The keys of a GENERATION's `config` that the engine reads."""

    num_inference_steps: int | None = Field(default=None, ge=1, le=200)
    """Denoise steps; none: the model's own default."""
    guidance_scale: float | None = Field(default=None, ge=0, le=30)
    """Distilled guidance; ignored by models without guidance embeddings."""
    negative_prompt: str | None = Field(default=None, max_length=10_000)
    num_images: int = Field(default=1, ge=1, le=8)


class GenerationInputs(Message):
    """A GENERATION, complete: sizes in pixels, the seed chosen."""

    prompt: str
    width: int
    height: int
    seed: int
    reference_image_url: str | None = None
    """Object key of the reference image, once stored."""
    reference_image_strength: float = 50
    """Influence of the reference, 0 to 100: denoise strength is 1 - s/100."""
    config: GenerationConfig = GenerationConfig()


class GenerateImage(AttemptRequest):
    """One attempt at a GENERATION."""

    inputs: GenerationInputs


class GenerateImageResult(AttemptResult):
    """Where the pictures of a GENERATION lie."""

    result_image_path: str
    result_image_paths: list[str]
