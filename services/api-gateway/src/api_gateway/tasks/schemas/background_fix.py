"""BACKGROUND_FIX: a background moved toward the colour of a palette image."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.fields import Brightness, Fraction, ImageSource, inconsistent
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import BackgroundFixStrategy, TaskType

_SHADOW_DEFAULT = 150
_LIGHT_DEFAULT = 220


class CreateBackgroundFixTask(CreateTaskBase):
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
    base_image: ImageSource = Field(
        description="Base image as base64, data URL (data:image/...), remote URL (http://...), "
        "or local path"
    )
    palette_image: ImageSource = Field(
        description="Palette/reference image for target background color as base64, data URL, "
        "remote URL, or local path"
    )
    strategy: BackgroundFixStrategy = Field(
        default=BackgroundFixStrategy.LAB_SHIFT, description="Processing strategy"
    )
    edge_blur_sigma: float | None = Field(
        default=20.0,
        ge=0,
        description="Gaussian blur sigma for soft edge transitions (default 20.0)",
    )
    shadow_threshold: Brightness | None = Field(
        default=_SHADOW_DEFAULT,
        description="Brightness below which no color shift applied (0-255, default 150)",
    )
    light_threshold: Brightness | None = Field(
        default=_LIGHT_DEFAULT,
        description="Brightness above which full color shift applied (0-255, default 220)",
    )
    mask_expansion_percentage: Fraction | None = Field(
        default=0.005,
        description="Percentage to expand person mask (0-1, default 0.005 = 0.5%)",
    )

    @model_validator(mode="after")
    def _shadow_is_darker(self) -> Self:
        shadow = _SHADOW_DEFAULT if self.shadow_threshold is None else self.shadow_threshold
        light = _LIGHT_DEFAULT if self.light_threshold is None else self.light_threshold
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


class BackgroundFixTaskPublicUpdate(TaskPublicUpdateBase):
    """What clients may change in a background fix task."""
