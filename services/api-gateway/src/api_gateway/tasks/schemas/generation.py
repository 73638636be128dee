"""GENERATION: images from a prompt, with LoRAs and a reference image."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api_gateway.request_fields import JsonObject, readable_as
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import FalImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase, TaskUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.fields import Percentage
from shared.contracts.generation import GenerationConfig
from shared.contracts.task_types.generation import GenerationFields, LoraPaths


class _LoraWeights(BaseModel):
    """The weight of each LoRA."""

    subject_lora_weight: float | None = Field(default=None, description="Subject LoRA weight")
    product_lora_weight: float | None = Field(default=None, description="Product LoRA weight")
    style_lora_weight: float | None = Field(default=None, description="Style LoRA weight")
    product2_lora_weight: float | None = Field(
        default=None, description="Second product LoRA weight"
    )


class CreateGenerationTask(GenerationFields, CreateTaskBase):
    """A request for new images."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "GENERATION",
                "prompt": "fashion model wearing elegant dress",
                "seed": 42,
                "config": {"num_inference_steps": 28, "guidance_scale": 3.5},
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.GENERATION] = TaskType.GENERATION
    config: Annotated[JsonObject, AfterValidator(readable_as(GenerationConfig))] | None = Field(
        default=None,
        description="Flexible configuration storage; known keys are num_inference_steps, "
        "guidance_scale, negative_prompt, num_images and output_format (png, webp or jpeg)",
    )


class GenerationTaskPublic(LoraPaths, _LoraWeights, FalImageTaskPublicBase):
    """Public generation task schema for API responses."""

    task_type: Literal[TaskType.GENERATION] = TaskType.GENERATION
    workflow_id: str | None = None
    prompt: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    reference_image_path: str | None = None
    reference_image_strength: float | None = None


class GenerationTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a generation task."""


class GenerationTaskUpdate(LoraPaths, _LoraWeights, TaskUpdateBase):
    """Schema for updating generation task fields."""

    fal_app_id: str | None = Field(default=None, description="FAL app ID")
    fal_request_id: str | None = Field(default=None, description="FAL request ID")
    reference_image_path: str | None = Field(
        default=None, description="Path to the reference image"
    )
    reference_image_strength: Percentage | None = Field(
        default=None, description="Influence of the reference image on generation (0-100)"
    )
    result_image_path: str | None = Field(default=None, description="Path to the result image")


SCHEMAS = TaskSchemas(CreateGenerationTask, GenerationTaskPublic, GenerationTaskPublicUpdate)
