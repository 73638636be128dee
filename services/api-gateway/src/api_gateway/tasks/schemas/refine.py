"""REFINE: a picture upscaled and its detail restored."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.fields import (
    Fraction,
    ImageSource,
    JsonObject,
    Pixels,
    Seed,
    Steps,
    inconsistent,
    readable_as,
)
from api_gateway.tasks.schemas.public import FalImageTaskPublicBase
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.refinement import RefineConfig


class CreateRefineTask(CreateTaskBase):
    """A request to refine a picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "REFINE",
                "base_image_url": "https://images.example.com/model.jpg",
                "upscale_factor": 2.0,
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.REFINE] = TaskType.REFINE
    config: Annotated[JsonObject, AfterValidator(readable_as(RefineConfig))] | None = Field(
        default=None,
        description="Flexible configuration storage; known keys are strict_checks and upscaler "
        "(lanczos or real_esrgan)",
    )
    base_image_url: ImageSource = Field(description="Base image URL")
    upscale_enabled: bool = Field(default=True, description="Whether to upscale the image")
    upscale_factor: float | None = Field(
        default=None,
        ge=1,
        le=16,
        description="Upscale factor (float value). Integer values 2, 4, 8 use specific "
        "UPSCALE_*X capabilities. Non-integer values require UPSCALE_FLOAT capability. If not "
        "provided, OUTPUT_SIZE capability is required",
    )
    target_width: Pixels | None = Field(default=None, description="Target output width in pixels")
    target_height: Pixels | None = Field(default=None, description="Target output height in pixels")
    upscale_prompt: str | None = Field(default=None, description="Task prompt")
    upscale_denoise: Fraction = Field(default=0.35, description="Denoise strength")
    upscale_steps: Steps = Field(default=20, description="Number of inference steps")
    upscale_seed: Seed | None = Field(default=None, description="Seed for the upscale")
    face_detail_enabled: bool = Field(
        default=False, description="Whether to enhance face details in the image"
    )
    face_detail_prompt: str | None = Field(default=None, description="Face detail prompt")
    face_detail_denoise: Fraction = Field(default=0.35, description="Denoise strength")
    face_detail_steps: Steps = Field(default=20, description="Number of inference steps")
    face_detail_seed: Seed | None = Field(
        default=None, description="Seed for the face detail enhancement"
    )
    fal_app_id: str | None = Field(default=None, description="FAL app ID for task execution")

    @model_validator(mode="after")
    def _output_size_is_known(self) -> Self:
        if (self.target_width is None) != (self.target_height is None):
            raise inconsistent(
                "give target_width and target_height, both or neither",
                "target_width",
                "target_height",
            )
        if self.upscale_enabled and self.upscale_factor is None and self.target_width is None:
            raise inconsistent(
                "give upscale_factor, or target_width and target_height, or set upscale_enabled "
                "to false",
                "upscale_factor",
                "target_width",
                "target_height",
                "upscale_enabled",
            )
        return self


class RefineTaskPublic(FalImageTaskPublicBase):
    """A refine task."""

    task_type: Literal[TaskType.REFINE] = TaskType.REFINE
    upscale_factor: float | None = None
    target_width: int | None = None
    target_height: int | None = None
    upscale_denoise: float
    upscale_steps: int
    upscale_seed: int
    face_detail_denoise: float
    face_detail_steps: int
    face_detail_seed: int


class RefineTaskPublicUpdate(TaskPublicUpdateBase):
    """What clients may change in a refine task."""
