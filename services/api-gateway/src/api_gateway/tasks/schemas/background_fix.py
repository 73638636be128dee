"""BACKGROUND_FIX: a background moved toward the colour of a palette image."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.fields import inconsistent
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import BackgroundFixStrategy, TaskType
from shared.contracts.task_types.background_fix import (
    LIGHT_DEFAULT,
    SHADOW_DEFAULT,
    BackgroundFixFields,
)


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

    @model_validator(mode="after")
    def _shadow_is_darker(self) -> Self:
        shadow = SHADOW_DEFAULT if self.shadow_threshold is None else self.shadow_threshold
        light = LIGHT_DEFAULT if self.light_threshold is None else self.light_threshold
        if self.strategy is BackgroundFixStrategy.LAB_SHIFT and shadow >= light:
            raise inconsistent(
                f"shadow_threshold must be below light_threshold; they are {shadow} and {light}",
                "shadow_threshold",
                "light_threshold",
            )
        return self


class BackgroundFixTaskPublic(ImageTaskPublicBase):
    """A background fix task."""

    task_type: Literal[TaskType.BACKGROUND_FIX] = TaskType.BACKGROUND_FIX
    base_image_path: str
    palette_image_path: str
    strategy: BackgroundFixStrategy
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
    """What clients may change in a background fix task."""


SCHEMAS = TaskSchemas(
    CreateBackgroundFixTask, BackgroundFixTaskPublic, BackgroundFixTaskPublicUpdate
)
