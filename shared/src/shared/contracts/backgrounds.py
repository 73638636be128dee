"""Messages and activity of BACKGROUND_FIX attempts. Field names are those of the REST API."""

from abc import ABC, abstractmethod
from enum import StrEnum

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptRequest, AttemptResult, PictureResults
from shared.contracts.enums import BackgroundFixStrategy
from shared.contracts.message import Message


class BackgroundMask(StrEnum):
    """The source of the mask that separates the background from the foreground."""

    ALPHA = "alpha"
    """The picture's own transparency."""
    PERSON = "person"
    SUBJECT = "subject"
    """The main subject, as BACKGROUND_REMOVE finds it."""


class BackgroundFixInputs(Message):
    """The complete inputs of a BACKGROUND_FIX."""

    base_image: str
    """Object key of the picture to fix."""
    palette_image: str
    """Object key of the picture whose background has the target colour."""
    strategy: BackgroundFixStrategy = BackgroundFixStrategy.LAB_SHIFT
    """lab_shift moves light pixels toward the colour and keeps shadows; replace fills with it."""
    edge_blur_sigma: float = Field(default=20, ge=0, allow_inf_nan=False)
    """Standard deviation of the mask's soft edge, in pixels."""
    shadow_threshold: int = Field(default=150, ge=0, le=255)
    """CIE lightness, scaled to 0 to 255, up to which lab_shift leaves pixels unchanged."""
    light_threshold: int = Field(default=220, ge=0, le=255)
    """Lightness from which lab_shift applies the full shift."""
    mask_expansion_percentage: float = Field(default=0.005, ge=0, le=1)
    """Dilation of the foreground mask, as a fraction of the picture's longer side."""


class FixBackground(AttemptRequest):
    """One attempt at a BACKGROUND_FIX."""

    inputs: BackgroundFixInputs


class BackgroundFixResults(PictureResults):
    """The picture, and the mask that was used."""

    mask_used: BackgroundMask | None = Field(
        default=None,
        description="Source of the foreground mask: the picture's own `alpha`, a `person`, or the "
        "main `subject`",
    )
    """None: the result of an older worker that did not report it."""


class FixBackgroundResult(BackgroundFixResults, AttemptResult):
    """The result of an attempt that fixed a background."""


class BackgroundActivities(ABC):
    """Activities of the `inference-cpu` queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="fix_background")
    @abstractmethod
    async def fix_background(self, request: FixBackground) -> FixBackgroundResult:
        """Shift one picture's background toward the palette's colour, and store the picture."""
