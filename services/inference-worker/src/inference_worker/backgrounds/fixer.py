"""The whole of a BACKGROUND_FIX: base and palette in, the base on the palette's colour out."""

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
    "base_image: neither a person nor a product is found in it, so that its background cannot be"
    " told; send a cut-out on a transparent background, or a picture whose subject stands out"
)
_STRIP_PIXELS = 131_072
"""Pixels at a time: their planes stay in the processor's cache, and memory stays bounded."""


@dataclass(frozen=True)
class Fixed:
    """The picture, and what told its background."""

    image: Image.Image
    mask_used: BackgroundMask


class BackgroundFixer:
    """Moves backgrounds toward a colour.

    Args:
        finders: find what must stay as it is.
    """

    def __init__(self, finders: ForegroundModels) -> None:
        self._finders = finders

    def fix(
        self,
        base: Image.Image,
        palette: Image.Image,
        inputs: BackgroundFixInputs,
        cancel: CancelFlag = NEVER,
    ) -> Fixed:
        """The base with its background as the request says.

        Args:
            base: RGB, or RGBA. Of a cut-out, all that shows is kept: a shift leaves it as it is,
                and a colour that replaces the background goes behind it.
            palette: RGB; its background's colour is taken.
            inputs: the request.
            cancel: looked at between strips of the picture.

        Raises:
            Cancelled: the flag was set.
            InvalidInputError: thresholds cross, the palette shows no background, or nothing is
                found in the base that could be kept.
        """
        is_shift = inputs.strategy == BackgroundFixStrategy.LAB_SHIFT
        if is_shift and inputs.shadow_threshold >= inputs.light_threshold:
            raise InvalidInputError(
                "shadow_threshold must be below light_threshold; they are"
                f" {inputs.shadow_threshold} and {inputs.light_threshold}"
            )
        colour = background_colour(palette, self._finders)
        alpha = alpha_of(base)
        if alpha is not None and alpha.getbbox():
            fixed = base if is_shift else _in_front_of(colour, base)
            return Fixed(fixed, BackgroundMask.ALPHA)
        kept = find_foreground(base, self._finders) if alpha is None else None
        if kept is None:
            raise InvalidInputError(_NOTHING_FOUND)
        protection = Protection(
            kept.mask,
            grow_px=inputs.mask_expansion_percentage * max(base.size),
            blur_sigma_px=inputs.edge_blur_sigma,
        )
        ramp = Ramp(inputs.shadow_threshold, inputs.light_threshold) if is_shift else None
        return Fixed(move_background(base, colour, protection, ramp, cancel), kept.found_by)


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
    """All that is not protected, moved toward a colour, in strips of rows.

    Args:
        base: RGB.
        colour: where the background goes.
        protection: what stays.
        ramp: how far pixels go by their lightness; none: all the way.
        cancel: looked at before each strip.
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
        # Rounding makes a grey's channels differ by a level now and then.
        return moved.getchannel("G").convert("RGB")
    return moved


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[..., :2] == pixels[..., 1:]).all())
