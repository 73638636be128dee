"""VIDEO_GENERATION: a video from a prompt, starting from a picture or from nothing."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.fields import ImageSource, Text, inconsistent
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType


class CreateVideoGenerationTask(CreateTaskBase):
    """A request for a video."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "VIDEO_GENERATION",
                "prompt": "the model turns around slowly",
                "input_image_url": "https://images.example.com/model.jpg",
                "duration_seconds": 5,
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.VIDEO_GENERATION] = TaskType.VIDEO_GENERATION
    prompt: Text = Field(description="Text prompt describing the desired video content")
    input_image_url: ImageSource | None = Field(
        default=None, description="URL to input image for video generation"
    )
    input_image_data: ImageSource | None = Field(
        default=None,
        description="Base64-encoded input image data (data:image/jpeg;base64,... format)",
    )
    negative_prompt: str | None = Field(
        default=None, description="Negative prompt to avoid unwanted elements"
    )
    duration_seconds: int = Field(
        default=5, ge=1, le=60, description="Video duration in seconds (1-60)"
    )
    cfg_scale: float = Field(
        default=0.5, ge=0, le=2, description="Classifier-free guidance scale (0.0-2.0)"
    )

    @model_validator(mode="after")
    def _one_input_image(self) -> Self:
        if self.input_image_url is not None and self.input_image_data is not None:
            raise inconsistent(
                "give input_image_url or input_image_data, not both",
                "input_image_url",
                "input_image_data",
            )
        return self


class VideoGenerationTaskPublic(TaskPublicBase):
    """A video task."""

    task_type: Literal[TaskType.VIDEO_GENERATION] = TaskType.VIDEO_GENERATION
    prompt: str
    negative_prompt: str | None = None
    input_image_path: str = ""
    """Empty where the video is made from text alone: the contract has a string here."""
    duration_seconds: int
    cfg_scale: float
    result_video_path: str | None = None


class VideoGenerationTaskPublicUpdate(TaskPublicUpdateBase):
    """What clients may change in a video task."""
