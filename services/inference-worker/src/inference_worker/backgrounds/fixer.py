"""The whole of a BACKGROUND_FIX: base and palette in, the base on the palette's colour out."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from inference_worker.backgrounds.palette import background_colour
from inference_worker.backgrounds.protection import Protection
from inference_worker.cancellation import NEVER, CancelFlag, stop_if
from inference_worker.images import on_white
from inference_worker.lab import LabColour, Ramp, move_toward
from inference_worker.transparency import alpha_of
from inference_worker.vision.protocols import PersonSegmenter
from shared.contracts.backgrounds import BackgroundFixInputs
from shared.contracts.enums import BackgroundFixStrategy
from shared.errors import InvalidInputError

_STRIP_PIXELS = 131_072
"""Pixels at a time: their planes stay in the processor's cache, and memory stays bounded."""


class BackgroundFixer:
    """Moves backgrounds toward a colour.

    Args:
        persons: gives what finds those who must stay as they are.
    """

    def __init__(self, persons: Callable[[], PersonSegmenter]) -> None:
        self._persons = persons

    def fix(
        self,
        base: Image.Image,
        palette: Image.Image,
        inputs: BackgroundFixInputs,
        cancel: CancelFlag = NEVER,
    ) -> Image.Image:
        """The base with its background as the request says.

        Args:
            base: RGB or RGBA; its people are kept. A shift leaves it as transparent as it is; a
                colour that replaces the background shows wherever it is not opaque.
            palette: RGB; its background's colour is taken.
            inputs: the request.
            cancel: looked at between strips of the picture.

        Raises:
            Cancelled: the flag was set.
            InvalidInputError: thresholds cross, or the palette shows no background.
        """
        is_shift = inputs.strategy == BackgroundFixStrategy.LAB_SHIFT
        if is_shift and inputs.shadow_threshold >= inputs.light_threshold:
            raise InvalidInputError(
                "shadow_threshold must be below light_threshold; they are"
                f" {inputs.shadow_threshold} and {inputs.light_threshold}"
            )
        persons = self._persons()
        colour = background_colour(palette, persons.person_mask(np.asarray(palette)))
        protection = Protection(
            persons.person_mask(np.asarray(on_white(base))),
            grow_px=inputs.mask_expansion_percentage * max(base.size),
            blur_sigma_px=inputs.edge_blur_sigma,
        )
        ramp = Ramp(inputs.shadow_threshold, inputs.light_threshold) if is_shift else None
        moved = move_background(base.convert("RGB"), colour, protection, ramp, cancel)
        alpha = alpha_of(base)
        if alpha is None:
            return moved
        if is_shift:
            moved.putalpha(alpha)
            return moved
        ground = Image.new("RGB", base.size, colour.srgb)
        ground.paste(moved, mask=alpha)
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
    return Image.fromarray(fixed)
