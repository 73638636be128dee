"""Parts of a picture that are edited apart: their boxes, and how they are put back."""

import math

import numpy as np
from numpy.typing import NDArray

from inference_worker.checks.metric import Pixels
from inference_worker.vision.protocols import Box

PixelBox = tuple[int, int, int, int]
"""Left, top, right and bottom, whole pixels within the picture."""

_LEAST_SIDE_PX = 16
_MOST_FEATHER = 4
"""The blend takes at most this part of a side, so that the middle half is all edited."""


def expanded(box: Box, by: float, size: tuple[int, int]) -> PixelBox:
    """A box enlarged around its middle, and cut to the picture.

    Args:
        box: within the picture.
        by: 0.5 makes it half as wide and high again.
        size: width and height of the picture, which has at least 16 pixels a side.
    """
    left, right = _span(box.left, box.right, by, size[0])
    top, bottom = _span(box.top, box.bottom, by, size[1])
    return left, top, right, bottom


def _span(start: float, stop: float, by: float, length: int) -> tuple[int, int]:
    middle, side = (start + stop) / 2, max((stop - start) * (1 + by), _LEAST_SIDE_PX)
    first = max(math.floor(middle - side / 2), 0)
    last = min(math.ceil(middle + side / 2), length)
    # Cut at a border, it may have become too small.
    first = max(min(first, last - _LEAST_SIDE_PX), 0)
    return first, min(max(last, first + _LEAST_SIDE_PX), length)


def paste(canvas: Pixels, patch: Pixels, box: PixelBox, *, feather_px: int) -> None:
    """Put a patch into its box of the canvas, fading in from the box's border.

    Where the box ends with the picture, nothing fades.

    Args:
        canvas: is changed.
        patch: of the box's size.
        box: where it goes.
        feather_px: width of the blend; 0 switches it off. Small boxes get less.
    """
    left, top, right, bottom = box
    height, width = canvas.shape[:2]
    across = _fade(left, right, width, feather_px)
    down = _fade(top, bottom, height, feather_px)
    weight = (down[:, None] * across)[:, :, None]
    under = canvas[top:bottom, left:right]
    blended = under + weight * (patch.astype(np.float32) - under)
    canvas[top:bottom, left:right] = np.rint(blended).astype(np.uint8)


def _fade(start: int, stop: int, length: int, feather_px: int) -> NDArray[np.float32]:
    side = stop - start
    feather = min(feather_px, side // _MOST_FEATHER)
    weight = np.ones(side, np.float32)
    if feather == 0:
        return weight
    ramp = (np.arange(feather, dtype=np.float32) + 0.5) / feather
    ramp = ramp * ramp * (3 - 2 * ramp)
    if start > 0:
        weight[:feather] = ramp
    if stop < length:
        weight[-feather:] = ramp[::-1]
    return weight
