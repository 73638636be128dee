"""IMAGE_ADJUSTER: crops, pads or scales a picture to a size, an aspect ratio or margins."""

from datetime import timedelta
from functools import partial

from pydantic import Field

from shared.contracts.adjusting import (
    AdjustImage,
    AdjustingActivities,
    AdjustMode,
    CroppingPosition,
    Resampling,
    ScalingProportions,
)
from shared.contracts.attempts import PictureResults
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.fields import Fraction, ImageSource, Pixels
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow
from shared.contracts.task_types.rules import Rule, size_is_whole


def _one_target(ratio: float | None, width: int | None) -> str | None:
    if ratio is None or width is None:
        return None
    return "give aspect_ratio, or target_width and target_height, not all of them"


def _sum_below_one(names: str, first: float | None, second: float | None) -> str | None:
    total = (first or 0) + (second or 0)
    return f"{names} must add up to less than 1; they add up to {total:g}" if total >= 1 else None


def _margins(first: str, second: str) -> Rule:
    return Rule((first, second), partial(_sum_below_one, f"{first} and {second}"))


class ImageAdjusterFields(InputFields):
    """Inputs of an IMAGE_ADJUSTER."""

    rules = (
        size_is_whole("target_width", "target_height"),
        Rule(("aspect_ratio", "target_width"), _one_target),
        _margins("margin_top", "margin_bottom"),
        _margins("margin_left", "margin_right"),
    )

    input_image: ImageSource = Field(
        description="Input image as base64, data URL (data:image/...), remote URL (http://...), "
        "or local path"
    )
    reference_image: ImageSource | None = Field(
        default=None,
        description="Optional reference image used to derive subject margins automatically "
        "(base64, data URL, remote URL, or local path).",
    )
    mode: AdjustMode = Field(
        default="auto",
        description="Resize mode: 'auto' intelligently chooses crop or pad based on AR "
        "difference (>5% diff = pad to preserve content, <=5% = crop for minimal loss), 'crop' "
        "removes pixels, 'pad' adds padding, 'scale' resizes based on proportions",
    )
    aspect_ratio: float | None = Field(
        default=None,
        gt=0,
        description="Target aspect ratio (width/height). Use either this or "
        "target_width/target_height.",
    )
    target_width: Pixels | None = Field(
        default=None, description="Target width in pixels (required if target_height is set)"
    )
    target_height: Pixels | None = Field(
        default=None, description="Target height in pixels (required if target_width is set)"
    )
    cropping_position: CroppingPosition | None = Field(
        default="center", description="Position to crop from (only used when mode='crop')"
    )
    resampling: Resampling | None = Field(default="lanczos", description="Resampling filter to use")
    scaling_proportions: ScalingProportions | None = Field(
        default="fit",
        description="Scaling proportions mode. 'height' matches vertical margins exactly (may "
        "crop horizontally).",
    )
    margin_top: Fraction | None = Field(
        default=None,
        description="Minimum top margin as percentage of final height (0.0-1.0). Subject "
        "detection required.",
    )
    margin_bottom: Fraction | None = Field(
        default=None,
        description="Minimum bottom margin as percentage of final height (0.0-1.0). Subject "
        "detection required.",
    )
    margin_left: Fraction | None = Field(
        default=None,
        description="Minimum left margin as percentage of final width (0.0-1.0). Subject "
        "detection required.",
    )
    margin_right: Fraction | None = Field(
        default=None,
        description="Minimum right margin as percentage of final width (0.0-1.0). Subject "
        "detection required.",
    )
    tolerance: Fraction | None = Field(
        default=0,
        description="Tolerance for checking if adjustment is needed (0-1, default 0% for "
        "pixel-perfect)",
    )


ROW = TaskTypeRow(
    inputs=ImageAdjusterFields,
    results=PictureResults,
    folder="image_adjusters",
    start_to_close=timedelta(minutes=10),
    default_provider=ProviderType.LOCAL,
    pictures=(
        PictureField("input_image", "input_image_path"),
        PictureField("reference_image", "reference_image_path"),
    ),
    activity=OwnActivity(AdjustingActivities.adjust_image, AdjustImage),
    local_queue=TaskQueue.INFERENCE_CPU,
)
