"""The BACKGROUND_FIX task: recolour the base's background to the palette's colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.backgrounds.foreground import ForegroundModels, find_foreground
from inference_worker.backgrounds.palette import background_colour
from inference_worker.backgrounds.protection import Protection
from shared.cancellation import NEVER, CancelFlag, stop_if
from shared.contracts.backgrounds import BackgroundFixInputs, BackgroundMask
from shared.contracts.enums import BackgroundFixStrategy
from shared.errors import InvalidInputError
from shared.pixels.lab import LabColour, Ramp, move_toward
from shared.pixels.transparency import alpha_of

_NOTHING_FOUND = (
    "base_image: neither a person nor a product is found, so its background cannot be determined;"
    " send a cut-out on a transparent background, or a picture with a clear subject"
)
_STRIP_PIXELS = 131_072
"""Pixels per strip: bounds memory, and keeps the planes in the processor's cache."""


@dataclass(frozen=True)
class FixedBackground:
    """The picture, and the source of the mask that separated its background."""

    image: Image.Image
    mask_used: BackgroundMask


class BackgroundFixer:
    """Shift or replacement of the colour of backgrounds.

    Args:
        models: segment the foreground.
    """

    def __init__(self, models: ForegroundModels) -> None:
        self._models = models

    def fix(
        self,
        base: Image.Image,
        palette: Image.Image,
        inputs: BackgroundFixInputs,
        cancel: CancelFlag = NEVER,
    ) -> FixedBackground:
        """Return the base with its background changed as requested.

        Args:
            base: RGB or RGBA. The visible part of a cut-out is kept: a shift returns it unchanged,
                a replacement colour is put behind it.
            palette: RGB; its background supplies the colour.
            inputs: the request.
            cancel: checked before each strip of the picture.

        Raises:
            Cancelled: the flag was set.
            InvalidInputError: the thresholds cross, the palette shows no background, or the base
                has no foreground.
        """
        is_shift = inputs.strategy == BackgroundFixStrategy.LAB_SHIFT
        if is_shift and inputs.shadow_threshold >= inputs.light_threshold:
            raise InvalidInputError(
                "shadow_threshold must be below light_threshold; they are"
                f" {inputs.shadow_threshold} and {inputs.light_threshold}"
            )
        colour = background_colour(palette, self._models)
        alpha = alpha_of(base)
        if alpha is not None and alpha.getbbox():
            fixed = base if is_shift else _in_front_of(colour, base)
            return FixedBackground(fixed, BackgroundMask.ALPHA)
        foreground = find_foreground(base, self._models) if alpha is None else None
        if foreground is None:
            raise InvalidInputError(_NOTHING_FOUND)
        protection = Protection(
            foreground.mask,
            grow_px=inputs.mask_expansion_percentage * max(base.size),
            blur_sigma_px=inputs.edge_blur_sigma,
        )
        ramp = Ramp(inputs.shadow_threshold, inputs.light_threshold) if is_shift else None
        moved = move_background(base, colour, protection, ramp, cancel)
        return FixedBackground(moved, foreground.found_by)


def _in_front_of(colour: LabColour, cutout: Image.Image) -> Image.Image:
    ground = Image.new("RGB", cutout.size, colour.srgb)
    ground.paste(cutout, mask=cutout.getchannel("A"))
    return ground


def move_background(
    base: Image.Image,
    colour: LabColour,
    protection: Protection,
    ramp: Ramp | None,
    cancel: CancelFlag = NEVER,
) -> Image.Image:
    """Move the unprotected pixels toward a colour, in strips of rows.

    Args:
        base: RGB.
        colour: the target.
        protection: the share of each pixel that is kept.
        ramp: share of the way by lightness; None: all the way.
        cancel: checked before each strip.

    Raises:
        Cancelled: the flag was set.
    """
    pixels = np.asarray(base)
    fixed = np.empty_like(pixels)
    rows = max(1, _STRIP_PIXELS // base.width)
    for first in range(0, base.height, rows):
        stop_if(cancel)
        last = min(base.height, first + rows)
        share = np.float32(1) - protection.rows(first, last)
        fixed[first:last] = move_toward(pixels[first:last], colour, share, ramp)
    moved = Image.fromarray(fixed)
    if len(set(colour.srgb)) == 1 and _is_grey(pixels):
        # Rounding can make the channels of a grey differ by one level.
        return moved.getchannel("G").convert("RGB")
    return moved


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[..., :2] == pixels[..., 1:]).all())
