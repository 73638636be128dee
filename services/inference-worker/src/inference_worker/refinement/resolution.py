"""Tiles go to the resolution the model works at; what it changed comes back to theirs."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from inference_worker.checks.metric import Pixels

SideChoice = Callable[[tuple[int, int], int], int]
"""The longer side at which a tile is edited, from its size and the editor's largest side."""
RESAMPLING = Image.Resampling.BICUBIC
"""Of tiles to the editor's resolution, and of what it changed back to theirs. Lanczos rings: where
an edit replaces what was there, each of the old edges would stay as several lines."""
_STEPS = (4, 2)
_LEAST_SIDE_PX = 64


def largest_side(_size: tuple[int, int], largest_px: int) -> int:
    """The editor's largest side, whatever the tile's size."""
    return largest_px


def fitting_side(size: tuple[int, int], largest_px: int) -> int:
    """A quarter, half or all of the editor's largest side: the least that the tile fits into."""
    for step in _STEPS:
        side_px = max(largest_px // step, min(_LEAST_SIDE_PX, largest_px))
        if max(size) <= side_px:
            return side_px
    return largest_px


def edit_size(size: tuple[int, int], *, longer_px: int, multiple_of: int) -> tuple[int, int]:
    """The size a tile is edited at: its longer side `longer_px`, both sides as the model needs.

    Where `longer_px` is no such multiple, the next one below it: larger ones may be refused.
    """
    longer_px = max(longer_px // multiple_of, 1) * multiple_of
    scale = longer_px / max(size)
    width, height = (max(round(side * scale / multiple_of), 1) * multiple_of for side in size)
    return width, height


def apply_change(source: Pixels, shown: Image.Image, edited: Image.Image) -> Pixels:
    """Carry an edit over to the source's resolution.

    Only what the editor changed is resampled and added: detail that the model never saw, or that
    resampling would blur, stays, and an edit that changes nothing gives the source exactly.

    Args:
        source: the tile, [H, W, 3].
        shown: the tile as the editor got it.
        edited: what the editor made of it, of the same size.
    """
    if edited.size != shown.size:
        raise ValueError(f"the engine answered {edited.size} for a picture of {shown.size}")
    height, width = source.shape[:2]
    if shown.size == (width, height):
        return np.asarray(edited)
    change = np.asarray(edited, np.float32) - np.asarray(shown, np.float32)
    channels = [
        np.asarray(Image.fromarray(change[:, :, channel]).resize((width, height), RESAMPLING))
        for channel in range(3)
    ]
    return np.rint(np.clip(source + np.stack(channels, axis=2), 0, 255)).astype(np.uint8)
