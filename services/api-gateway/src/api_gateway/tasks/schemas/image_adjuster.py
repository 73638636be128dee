"""IMAGE_ADJUSTER: a picture brought to a size, a shape or margins, without inventing any of it."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.fields import Fraction, ImageSource, Pixels, inconsistent
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType

AdjustMode = Literal["auto", "crop", "pad", "scale"]
CroppingPosition = Literal["center", "top", "bottom", "left", "right"]
Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos"]
ScalingProportions = Literal["fit", "height", "width"]


class CreateImageAdjusterTask(CreateTaskBase):
    """A request to adjust a picture."""

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

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.target_width is None) != (self.target_height is None):
            raise inconsistent(
                "give target_width and target_height, both or neither",
                "target_width",
                "target_height",
            )
        if self.aspect_ratio is not None and self.target_width is not None:
            raise inconsistent(
                "give aspect_ratio, or target_width and target_height, not all of them",
                "aspect_ratio",
                "target_width",
                "target_height",
            )
        return self

    @model_validator(mode="after")
    def _margins_leave_room(self) -> Self:
        for first, second in (("margin_top", "margin_bottom"), ("margin_left", "margin_right")):
            total = (getattr(self, first) or 0) + (getattr(self, second) or 0)
            if total >= 1:
                raise inconsistent(
                    f"{first} and {second} must add up to less than 1; they add up to {total:g}",
                    first,
                    second,
                )
        return self


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
    """What clients may change in an image adjuster task."""
