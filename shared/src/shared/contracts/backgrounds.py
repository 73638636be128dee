"""What a BACKGROUND_FIX attempt gets and gives. Field names are the REST API's."""

from abc import ABC, abstractmethod
from enum import StrEnum

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptRequest, AttemptResult, PictureResults
from shared.contracts.enums import BackgroundFixStrategy
from shared.contracts.message import Message


class BackgroundMask(StrEnum):
    """What told a picture's background from what is kept of it."""

    ALPHA = "alpha"
    """The picture's own transparency."""
    PERSON = "person"
    SUBJECT = "subject"
    """What the picture is about, as BACKGROUND_REMOVE finds it."""


class BackgroundFixInputs(Message):
    """A BACKGROUND_FIX, complete."""

    base_image: str
    """Object key of the picture to fix."""
    palette_image: str
    """Object key of the picture whose background has the wanted colour."""
    strategy: BackgroundFixStrategy = BackgroundFixStrategy.LAB_SHIFT
    """lab_shift moves light pixels toward the colour and keeps shadows; replace paints it."""
    edge_blur_sigma: float = Field(default=20, ge=0, allow_inf_nan=False)
    """Standard deviation of the mask's soft edge, in pixels."""
    shadow_threshold: int = Field(default=150, ge=0, le=255)
    """CIE lightness, as 0 to 255, up to which lab_shift leaves pixels alone."""
    light_threshold: int = Field(default=220, ge=0, le=255)
    """Lightness from which it moves them all the way."""
    mask_expansion_percentage: float = Field(default=0.005, ge=0, le=1)
    """How far the mask of what is kept grows, over the picture's longer side."""


class FixBackground(AttemptRequest):
    """One attempt at a BACKGROUND_FIX."""

    inputs: BackgroundFixInputs


class BackgroundFixResults(PictureResults):
    """The picture, and what was kept of it."""

    mask_used: BackgroundMask | None = Field(
        default=None,
        description="What was kept of the picture: what its own `alpha` shows, a `person`, or its "
        "`subject`",
    )
    """None: of a worker that did not say yet."""


class FixBackgroundResult(BackgroundFixResults, AttemptResult):
    """An attempt that fixed a background."""


class BackgroundActivities(ABC):
    """On the `inference-cpu` task queue. Idempotent: keys derive from task and attempt."""

    @activity.defn(name="fix_background")
    @abstractmethod
    async def fix_background(self, request: FixBackground) -> FixBackgroundResult:
        """Move one picture's background toward the palette's colour, and store it."""
