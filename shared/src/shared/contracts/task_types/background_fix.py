"""BACKGROUND_FIX: shifts a background toward the colour of a palette image."""

from datetime import timedelta

from pydantic import Field

from shared.contracts.backgrounds import (
    BackgroundActivities,
    BackgroundFixResults,
    FixBackground,
)
from shared.contracts.enums import BackgroundFixStrategy, ProviderType, TaskQueue
from shared.contracts.fields import Brightness, Fraction, ImageSource
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow
from shared.contracts.task_types.rules import Rule

_SHADOW_DEFAULT = 150
_LIGHT_DEFAULT = 220


def _shadow_is_darker(strategy: str, shadow: int | None, light: int | None) -> str | None:
    shadow = _SHADOW_DEFAULT if shadow is None else shadow
    light = _LIGHT_DEFAULT if light is None else light
    # Strategy replace fills with one colour and does not use the thresholds.
    if strategy != BackgroundFixStrategy.LAB_SHIFT or shadow < light:
        return None
    return f"shadow_threshold must be below light_threshold; they are {shadow} and {light}"


class BackgroundFixFields(InputFields):
    """Inputs of a BACKGROUND_FIX."""

    rules = (Rule(("strategy", "shadow_threshold", "light_threshold"), _shadow_is_darker),)

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


ROW = TaskTypeRow(
    inputs=BackgroundFixFields,
    results=BackgroundFixResults,
    folder="background_fixes",
    start_to_close=timedelta(minutes=10),
    default_provider=ProviderType.LOCAL,
    pictures=(
        PictureField("base_image", "base_image_path"),
        PictureField("palette_image", "palette_image_path"),
    ),
    activity=OwnActivity(BackgroundActivities.fix_background, FixBackground),
    local_queue=TaskQueue.INFERENCE_CPU,
)
