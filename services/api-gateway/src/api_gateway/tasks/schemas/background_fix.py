"""BACKGROUND_FIX: a background moved toward the colour of a palette image."""

from typing import Literal

from pydantic import ConfigDict, Field

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import BackgroundFixStrategy, TaskType
from shared.contracts.task_types.background_fix import BackgroundFixFields


class CreateBackgroundFixTask(BackgroundFixFields, CreateTaskBase):
    """A request to fix a background."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "BACKGROUND_FIX",
                "base_image": "https://images.example.com/model.jpg",
                "palette_image": "https://images.example.com/studio.jpg",
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.BACKGROUND_FIX] = TaskType.BACKGROUND_FIX


class BackgroundFixTaskPublic(ImageTaskPublicBase):
    """A background fix task."""

    task_type: Literal[TaskType.BACKGROUND_FIX] = TaskType.BACKGROUND_FIX
    base_image_path: str
    palette_image_path: str
    strategy: BackgroundFixStrategy | None = Field(
        description="Processing strategy; null until the step that it is mapped from has given it"
    )
    edge_blur_sigma: float | None = None
    shadow_threshold: int | None = None
    light_threshold: int | None = None
    mask_expansion_percentage: float | None = None
    mask_used: str | None = Field(
        default=None,
        description="What was kept of the picture: what its own `alpha` shows, a `person`, or its "
        "`subject`",
    )


class BackgroundFixTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a background fix task."""


SCHEMAS = TaskSchemas(
    CreateBackgroundFixTask, BackgroundFixTaskPublic, BackgroundFixTaskPublicUpdate
)
