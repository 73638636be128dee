"""IMAGE_ADJUSTER: an image brought to a size, an aspect ratio or margins, without a model."""

from typing import Literal

from pydantic import ConfigDict

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.task_types.image_adjuster import ImageAdjusterFields


class CreateImageAdjusterTask(ImageAdjusterFields, CreateTaskBase):
    """A request to adjust an image."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "IMAGE_ADJUSTER",
                "input_image": "https://images.example.com/model.jpg",
                "mode": "pad",
                "target_width": 1600,
                "target_height": 2000,
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.IMAGE_ADJUSTER] = TaskType.IMAGE_ADJUSTER


class ImageAdjusterTaskPublic(ImageTaskPublicBase):
    """An image adjuster task."""

    task_type: Literal[TaskType.IMAGE_ADJUSTER] = TaskType.IMAGE_ADJUSTER
    input_image_path: str
    reference_image_path: str | None = None
    mode: str
    aspect_ratio: float | None = None
    target_width: int | None = None
    target_height: int | None = None
    cropping_position: str | None = None
    resampling: str | None = None
    scaling_proportions: str | None = None
    margin_top: float | None = None
    margin_bottom: float | None = None
    margin_left: float | None = None
    margin_right: float | None = None
    tolerance: float | None = None


class ImageAdjusterTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of an image adjuster task."""


SCHEMAS = TaskSchemas(
    CreateImageAdjusterTask, ImageAdjusterTaskPublic, ImageAdjusterTaskPublicUpdate
)
