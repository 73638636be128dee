"""Tiles go to the resolution the model works at; what it changed comes back to theirs."""

import numpy as np
from PIL import Image

from inference_worker.refinement.blend import Pixels


def edit_size(size: tuple[int, int], *, longer_px: int, multiple_of: int) -> tuple[int, int]:
    """The size a tile is edited at: its longer side `longer_px`, both sides as the model needs."""
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
        np.asarray(
            Image.fromarray(change[:, :, channel]).resize((width, height), Image.Resampling.LANCZOS)
        )
        for channel in range(3)
    ]
    return np.rint(np.clip(source + np.stack(channels, axis=2), 0, 255)).astype(np.uint8)
