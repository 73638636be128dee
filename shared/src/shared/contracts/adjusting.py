"""What an IMAGE_ADJUSTER attempt gets and gives. Field names are the REST API's."""

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
    """An IMAGE_ADJUSTER, complete."""

    input_image: str
    """Object key of the picture to adjust."""
    reference_image: str | None = None
    """Object key of a picture whose subject's margins are wanted, where none are given."""
    mode: AdjustMode = "auto"
    """What may happen to the picture's content; auto pads where the aspect ratios differ by more
    than 5 %, else crops."""
    aspect_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Width over height of the result, which keeps the picture's own pixels."""
    target_width: Pixels | None = None
    target_height: Pixels | None = None
    """The result's size, exactly; without a size and a ratio, the picture's own ratio holds."""
    cropping_position: CroppingPosition = "center"
    """Which part mode crop keeps, as far as the margins allow."""
    resampling: Resampling = "lanczos"
    """The filter where pixels are resampled: only where a target size is given."""
    scaling_proportions: ScalingProportions = "fit"
    """What mode scale fits into the frame: the whole, its height alone or its width alone; of the
    subject with its margins where there are any, else of the picture."""
    margin_top: Fraction | None = None
    margin_bottom: Fraction | None = None
    """Least distance of the subject from the result's edge, over the result's height."""
    margin_left: Fraction | None = None
    margin_right: Fraction | None = None
    """The same over its width. Mode scale meets margins exactly, the others at least."""
    tolerance: Fraction = 0
    """The picture stays as it is where its size, or its ratio, and its margins are off by no more;
    sizes and ratios relative to the wanted ones, margins as shares of its sides."""


class AdjustImage(AttemptRequest):
    """One attempt at an IMAGE_ADJUSTER."""

    inputs: AdjustInputs


class AdjustingActivities(ABC):
    """On the `inference-cpu` task queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="adjust_image")
    @abstractmethod
    async def adjust_image(self, request: AdjustImage) -> PictureResult:
        """Bring one picture to its size, shape and margins, and store it."""
