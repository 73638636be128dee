"""VIDEO_GENERATION: a video from a prompt, with or without a first image."""

from typing import Literal

from pydantic import ConfigDict

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.task_types.video_generation import VideoGenerationFields


class CreateVideoGenerationTask(VideoGenerationFields, CreateTaskBase):
    """A request for a video."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "VIDEO_GENERATION",
                "prompt": "the model turns around slowly",
                "input_image_url": "https://images.example.com/model.jpg",
                "duration_seconds": 5,
                "provider_type": "fal_standard",
                "provider_config": {"fal_app_id": "fal-ai/kling-video/v3/standard/image-to-video"},
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.VIDEO_GENERATION] = TaskType.VIDEO_GENERATION


class VideoGenerationTaskPublic(TaskPublicBase):
    """A video task."""

    task_type: Literal[TaskType.VIDEO_GENERATION] = TaskType.VIDEO_GENERATION
    prompt: str
    negative_prompt: str | None = None
    input_image_path: str = ""
    """Path of the first image; empty if there is none: the contract requires a string."""
    duration_seconds: int
    cfg_scale: float
    result_video_path: str | None = None


class VideoGenerationTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a video task."""


SCHEMAS = TaskSchemas(
    CreateVideoGenerationTask, VideoGenerationTaskPublic, VideoGenerationTaskPublicUpdate
)
