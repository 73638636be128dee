"""FACE_ENHANCER: a face redrawn in more detail, the rest of the image unchanged."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from api_gateway.request_fields import JsonObject, readable_as
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.fixing import FixConfig
from shared.contracts.task_types.face_enhancer import FaceEnhancerFields


class CreateFaceEnhancerTask(FaceEnhancerFields, CreateTaskBase):
    """A request to enhance a face."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "FACE_ENHANCER",
                "input_image": "https://images.example.com/model.jpg",
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.FACE_ENHANCER] = TaskType.FACE_ENHANCER
    config: Annotated[JsonObject, AfterValidator(readable_as(FixConfig))] | None = Field(
        default=None,
        description="Flexible configuration storage; known keys are strict_checks, denoise, "
        "num_inference_steps, seed and editor (strength, instruct or vertex)",
    )


class FaceEnhancerTaskPublic(ImageTaskPublicBase):
    """A face enhancer task."""

    task_type: Literal[TaskType.FACE_ENHANCER] = TaskType.FACE_ENHANCER
    input_image_path: str
    face_detected: bool = False
    attempts_used: int = 0
    final_ssim_score: float | None = None
    final_lpips_score: float | None = None
    final_dists_score: float | None = None


class FaceEnhancerTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a face enhancer task."""


SCHEMAS = TaskSchemas(CreateFaceEnhancerTask, FaceEnhancerTaskPublic, FaceEnhancerTaskPublicUpdate)
