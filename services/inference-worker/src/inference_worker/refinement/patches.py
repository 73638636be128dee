"""Patches: boxes of a picture that are edited separately, and pasted back."""

import math

import numpy as np
from numpy.typing import NDArray

from inference_worker.checks.metric import Pixels
from inference_worker.vision.protocols import Box

PixelBox = tuple[int, int, int, int]
"""Left, top, right and bottom, whole pixels within the picture."""

_LEAST_SIDE_PX = 16
_MOST_FEATHER = 4
"""The blend takes at most 1/4 of a side at each border, so the middle half is fully edited."""


def expanded(box: Box, by: float, size: tuple[int, int]) -> PixelBox:
    """Enlarge a box around its centre, and clip it to the picture.

    Args:
        box: within the picture.
        by: relative growth; 0.5 makes it 1.5 times as wide and high.
        size: width and height of the picture, at least 16 pixels each.
    """
    left, right = _span(box.left, box.right, by, size[0])
    top, bottom = _span(box.top, box.bottom, by, size[1])
    return left, top, right, bottom


def _span(start: float, stop: float, by: float, length: int) -> tuple[int, int]:
    middle, side = (start + stop) / 2, max((stop - start) * (1 + by), _LEAST_SIDE_PX)
    first = max(math.floor(middle - side / 2), 0)
    last = min(math.ceil(middle + side / 2), length)
    # Clipping may have made it too small.
    first = max(min(first, last - _LEAST_SIDE_PX), 0)
    return first, min(max(last, first + _LEAST_SIDE_PX), length)


def paste(canvas: Pixels, patch: Pixels, box: PixelBox, *, feather_px: int) -> None:
    """Paste a patch into its box of the canvas, feathered at the box's borders.

    Borders of the picture itself are not feathered.

    Args:
        canvas: changed in place.
        patch: of the box's size.
        box: its place in the canvas.
        feather_px: width of the blend; 0 disables it. Reduced for small boxes.
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
