"""Messages and activity of IMAGE_ADJUSTER attempts. Field names are those of the REST API."""

from abc import ABC, abstractmethod
from typing import Literal

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptRequest, PictureResult
from shared.contracts.fields import Fraction, Pixels
from shared.contracts.message import Message

AdjustMode = Literal["auto", "crop", "pad", "scale"]
CroppingPosition = Literal["center", "top", "bottom", "left", "right"]
Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos"]
ScalingProportions = Literal["fit", "height", "width"]


class AdjustInputs(Message):
    """The complete inputs of an IMAGE_ADJUSTER."""

    input_image: str
    """Object key of the picture to adjust."""
    reference_image: str | None = None
    """Object key of a picture to take the subject's margins from, if no margins are given."""
    mode: AdjustMode = "auto"
    """The operation. auto pads if the aspect ratios differ by more than 5 %, otherwise crops."""
    aspect_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Width over height of the result. Pixels are not resampled."""
    target_width: Pixels | None = None
    target_height: Pixels | None = None
    """Exact size of the result. Without a size and a ratio the picture's own ratio is used."""
    cropping_position: CroppingPosition = "center"
    """The part that mode crop keeps, as far as the margins allow."""
    resampling: Resampling = "lanczos"
    """Resampling filter. Pixels are resampled only if a target size is given."""
    scaling_proportions: ScalingProportions = "fit"
    """The extent that mode scale fits into the frame: both sides, the height or the width. Of the
    subject with its margins if there are margins, otherwise of the picture."""
    margin_top: Fraction | None = None
    margin_bottom: Fraction | None = None
    """Least distance of the subject from the result's edge, as a fraction of its height."""
    margin_left: Fraction | None = None
    margin_right: Fraction | None = None
    """The same as a fraction of the width. Mode scale meets margins exactly, others at least."""
    tolerance: Fraction = 0
    """Largest deviation at which the picture is returned unchanged: of size and ratio relative to
    the target, of margins as a fraction of the side."""


class AdjustImage(AttemptRequest):
    """One attempt at an IMAGE_ADJUSTER."""

    inputs: AdjustInputs


class AdjustingActivities(ABC):
    """Activities of the `inference-cpu` queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="adjust_image")
    @abstractmethod
    async def adjust_image(self, request: AdjustImage) -> PictureResult:
        """Adjust one picture to the requested size, ratio and margins, and store it."""
