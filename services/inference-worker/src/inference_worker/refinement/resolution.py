"""Scaling of tiles to the editor's resolution, and of its changes back to theirs."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from inference_worker.checks.metric import Pixels

SideChoice = Callable[[tuple[int, int], int], int]
"""Function of a tile's size and the editor's largest side; returns the longer side to edit at."""
RESAMPLING = Image.Resampling.BICUBIC
"""Filter in both directions. Lanczos rings: where an edit replaces content, each old edge would
remain as several lines."""
_STEPS = (4, 2)
_LEAST_SIDE_PX = 64


def largest_side(_size: tuple[int, int], largest_px: int) -> int:
    """Return the editor's largest side, for tiles of any size."""
    return largest_px


def fitting_side(size: tuple[int, int], largest_px: int) -> int:
    """Return 1/4, 1/2 or all of the editor's largest side: the smallest that holds the tile."""
    for step in _STEPS:
        side_px = max(largest_px // step, min(_LEAST_SIDE_PX, largest_px))
        if max(size) <= side_px:
            return side_px
    return largest_px


def edit_size(size: tuple[int, int], *, longer_px: int, multiple_of: int) -> tuple[int, int]:
    """Return the size to edit a tile at, both sides multiples of `multiple_of`.

    The longer side is `longer_px`, rounded down to a multiple, since larger ones may be refused.
    """
    longer_px = max(longer_px // multiple_of, 1) * multiple_of
    scale = longer_px / max(size)
    width, height = (max(round(side * scale / multiple_of), 1) * multiple_of for side in size)
    return width, height


def apply_change(source: Pixels, shown: Image.Image, edited: Image.Image) -> Pixels:
    """Apply an edit at the source's resolution.

    Only the change is resampled and added to the source. Detail that the model never saw, or that
    resampling would blur, is kept, and an edit without changes returns the source exactly.

    Args:
        source: the tile, [H, W, 3].
        shown: the tile at the editor's resolution.
        edited: the edited tile, of the same size as `shown`.

    Raises:
        ValueError: the sizes of `shown` and `edited` differ.
    """
    if edited.size != shown.size:
        raise ValueError(f"the engine returned size {edited.size} for a picture of {shown.size}")
    height, width = source.shape[:2]
    if shown.size == (width, height):
        return np.asarray(edited)
    change = np.asarray(edited, np.float32) - np.asarray(shown, np.float32)
    channels = [
        np.asarray(Image.fromarray(change[:, :, channel]).resize((width, height), RESAMPLING))
        for channel in range(3)
    ]
    return np.rint(np.clip(source + np.stack(channels, axis=2), 0, 255)).astype(np.uint8)
