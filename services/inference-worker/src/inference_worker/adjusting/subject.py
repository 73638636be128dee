"""The box around a picture's subject, from a segmenter's mask or the picture's alpha channel."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects, label, sum_labels  # pyright: ignore[reportUnknownVariableType]

from inference_worker.vision.protocols import Box, SubjectSegmenter

_label = cast(Callable[..., Any], label)
_find_objects = cast(Callable[..., Any], find_objects)
_sum_labels = cast(Callable[..., Any], sum_labels)
_COARSE_SIDE_PX = 512
_SPECK = 0.05
"""Parts smaller than this share of the largest one are noise of the model."""
_TOUCHING = np.ones((3, 3))


def subject_box(picture: Image.Image, subjects: Callable[[], SubjectSegmenter]) -> Box | None:
    """Return the box around a picture's subject; None if it has none.

    The subject of a cut-out is its opaque part; only pictures without alpha are segmented.
    """
    if picture.mode == "RGBA":
        return mask_box(np.asarray(picture.getchannel("A")) >= 128)
    return mask_box(subjects().subject_mask(np.asarray(picture)) >= 0.5)


def mask_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the box around the parts of a mask (H × W) without specks; None for an empty one."""
    height, width = mask.shape
    cell = max(1, -(-max(height, width) // _COARSE_SIDE_PX))
    coarse = _any_in_cells(mask, cell)
    parts, count = _label(coarse, structure=_TOUCHING)
    if not count:
        return None
    areas: NDArray[np.float64] = _sum_labels(coarse, parts, np.arange(1, count + 1))
    kept = np.flatnonzero(areas >= _SPECK * areas.max())
    slices = [_find_objects(parts)[index] for index in kept]
    top = min(rows.start for rows, _ in slices) * cell
    bottom = max(rows.stop for rows, _ in slices) * cell
    left = min(columns.start for _, columns in slices) * cell
    right = max(columns.stop for _, columns in slices) * cell
    near = mask[top:bottom, left:right]
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    return Box(
        float(left + columns[0]),
        float(top + rows[0]),
        float(left + columns[-1] + 1),
        float(top + rows[-1] + 1),
    )


def _any_in_cells(mask: NDArray[np.bool_], cell: int) -> NDArray[np.bool_]:
    """Reduce a mask to one value per cell × cell pixels: true if any of them is set."""
    starts = [list(range(0, length, cell)) for length in mask.shape]
    rows = np.logical_or.reduceat(mask, starts[0], axis=0)
    return np.logical_or.reduceat(rows, starts[1], axis=1)
