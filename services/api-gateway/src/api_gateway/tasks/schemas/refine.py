"""REFINE: an image upscaled and its detail restored."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from api_gateway.request_fields import JsonObject, readable_as
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import FalImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.refinement import RefineConfig
from shared.contracts.task_types.refine import RefineFields


class CreateRefineTask(RefineFields, CreateTaskBase):
    """A request to refine an image."""

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
        description="Flexible configuration storage; known keys are strict_checks, upscaler "
        "(lanczos or real_esrgan) and editor (strength, instruct or vertex)",
    )


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
    """Changeable fields of a refine task."""


SCHEMAS = TaskSchemas(CreateRefineTask, RefineTaskPublic, RefineTaskPublicUpdate)
