"""GENERATION: generates pictures from a prompt, with LoRAs and a reference image."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field

from shared.contracts.attempts import PictureResults
from shared.contracts.capabilities import LORA_FIELDS, Need
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.fields import ImageSource, Percentage, Pixels, Prompt, Seed
from shared.contracts.generation import DEFAULT_LORA_WEIGHT, GenerateImage
from shared.contracts.inference import InferenceActivities
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow
from shared.contracts.task_types.rules import one_of


class LoraPaths(BaseModel):
    """LoRA paths of a generation, by role."""

    subject_model_path: str | None = Field(default=None, description="Path to the subject model")
    product_model_path: str | None = Field(default=None, description="Path to the product model")
    style_model_path: str | None = Field(default=None, description="Path to the style model")
    product2_model_path: str | None = Field(
        default=None, description="Path to the second product model"
    )


class GenerationFields(LoraPaths, InputFields):
    """Inputs of a GENERATION."""

    rules = (one_of("reference_image_url", "reference_image_data"),)

    prompt: Prompt = Field(description="Task prompt")
    width: Pixels | None = Field(default=None, description="Image width")
    height: Pixels | None = Field(default=None, description="Image height")
    seed: Seed | None = Field(default=None, description="Random seed for generation")
    subject_lora_weight: float | None = Field(
        default=DEFAULT_LORA_WEIGHT, description="Subject LoRA weight"
    )
    product_lora_weight: float | None = Field(
        default=DEFAULT_LORA_WEIGHT, description="Product LoRA weight"
    )
    style_lora_weight: float | None = Field(
        default=DEFAULT_LORA_WEIGHT, description="Style LoRA weight"
    )
    product2_lora_weight: float | None = Field(
        default=DEFAULT_LORA_WEIGHT, description="Second product LoRA weight"
    )
    reference_image_url: ImageSource | None = Field(
        default=None, description="URL to reference image file"
    )
    reference_image_data: ImageSource | None = Field(
        default=None,
        description="Base64-encoded reference image data (data:image/jpeg;base64,... format)",
    )
    reference_image_strength: Percentage | None = Field(
        default=None, description="Influence of the reference image on generation (0-100)"
    )
    fal_app_id: str | None = Field(default=None, description="FAL app ID for task execution")


def _needs(fields: Mapping[str, Any]) -> list[Need]:
    loras = [name for name in LORA_FIELDS if fields.get(name)]
    needs = [Need(loras[0], frozenset({Cap.LORA}))] if loras else []
    if len(loras) > 1:
        needs.append(Need(loras[1], frozenset({Cap.MULTI_LORA})))
    for name in ("reference_image_url", "reference_image_data"):
        if fields.get(name):
            needs.append(Need(name, frozenset({Cap.REFERENCE_IMAGE})))
    if fields.get("seed") is not None:
        needs.append(Need("seed", frozenset({Cap.SEED})))
    config: Mapping[str, Any] = fields.get("config") or {}
    if config.get("negative_prompt"):
        needs.append(Need("config.negative_prompt", frozenset({Cap.NEGATIVE_PROMPT})))
    return needs


ROW = TaskTypeRow(
    inputs=GenerationFields,
    results=PictureResults,
    folder="generations",
    start_to_close=timedelta(minutes=10),
    default_provider=ProviderType.LOCAL,
    pictures=(
        PictureField("reference_image_url", "reference_image_path", ("reference_image_data",)),
    ),
    activity=OwnActivity(InferenceActivities.generate_image, GenerateImage),
    local_queue=TaskQueue.INFERENCE,
    seeds=("seed",),
    defaults={"reference_image_strength": 50},
    needs=_needs,
)
