"""Messages of local GENERATION attempts. Field names are those of the REST API."""

from pydantic import Field

from shared.contracts.attempts import AttemptRequest
from shared.contracts.capabilities import LORA_FIELDS, lora_weight_field
from shared.contracts.enums import OutputFormat
from shared.contracts.message import Message

DEFAULT_LORA_WEIGHT = 0.8
MAX_LORA_WEIGHT = 10
"""Largest absolute LoRA weight on local workers: beyond it the output is noise."""


class GenerationConfig(Message):
    """Keys of a GENERATION's `config` that the engine reads."""

    num_inference_steps: int | None = Field(default=None, ge=1, le=200)
    """Denoise steps. None: the model's default."""
    guidance_scale: float | None = Field(default=None, ge=0, le=30)
    """Distilled guidance. Ignored by models without guidance embeddings."""
    negative_prompt: str | None = Field(default=None, max_length=10_000)
    num_images: int = Field(default=1, ge=1, le=8)
    output_format: OutputFormat = OutputFormat.PNG


class LoraChoice(Message):
    """One LoRA of a generation."""

    field: str
    """The request field that named it, for example `subject_model_path`."""
    object_key: str
    """Object key of the file: `loras/sha256/<digest>`."""
    weight: float

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hex."""
        return self.object_key.rpartition("/")[2]


class GenerationInputs(Message):
    """The complete inputs of a GENERATION: sizes in pixels, the seed set."""

    prompt: str
    width: int
    height: int
    seed: int
    reference_image_url: str | None = None
    """Object key of the reference image."""
    reference_image_strength: float = 50
    """Influence s of the reference, 0 to 100. The denoise strength is 1 - s/100."""
    subject_lora_weight: float | None = DEFAULT_LORA_WEIGHT
    product_lora_weight: float | None = DEFAULT_LORA_WEIGHT
    style_lora_weight: float | None = DEFAULT_LORA_WEIGHT
    product2_lora_weight: float | None = DEFAULT_LORA_WEIGHT
    """Weight of the second product LoRA; as for the other weights, None means the default."""
    lora_objects: dict[str, str] = {}
    """Object keys of the LoRAs, by the request field that named them."""
    config: GenerationConfig = GenerationConfig()

    @property
    def loras(self) -> list[LoraChoice]:
        """The LoRAs, in the order of `LORA_FIELDS`."""
        weights = {name: getattr(self, lora_weight_field(name)) for name in LORA_FIELDS}
        return [
            LoraChoice(
                field=name,
                object_key=self.lora_objects[name],
                weight=DEFAULT_LORA_WEIGHT if weights[name] is None else weights[name],
            )
            for name in LORA_FIELDS
            if name in self.lora_objects
        ]


class GenerateImage(AttemptRequest):
    """One attempt at a GENERATION."""

    inputs: GenerationInputs
