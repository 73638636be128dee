"""Blending of tiles: each fades into its neighbours around the border between their cores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference_worker.checks.metric import Pixels
from inference_worker.refinement.grid import Axis, Grid
from shared.cancellation import NEVER, CancelFlag, stop_if


def blend(grid: Grid, tiles: Sequence[Pixels], cancel: CancelFlag = NEVER) -> Pixels:
    """Blend the tiles of a grid, in its order.

    Weights sum to 1 at every pixel, so equal pixels of overlapping tiles stay exactly the same.

    Raises:
        Cancelled: the flag was set; it is checked before each tile.
    """
    column_weights = axis_weights(grid.columns)
    row_weights = axis_weights(grid.rows)
    canvas = np.zeros((grid.rows.length, grid.columns.length, 3), np.float32)
    num_columns = len(grid.columns.spans)
    for tile, pixels in zip(grid.tiles, tiles, strict=True):
        stop_if(cancel)
        across = column_weights[tile.index % num_columns]
        down = row_weights[tile.index // num_columns]
        left, top, right, bottom = tile.box
        canvas[top:bottom, left:right] += pixels * (down[:, None] * across)[:, :, None]
    return np.rint(canvas).astype(np.uint8)


def axis_weights(axis: Axis) -> list[NDArray[np.float32]]:
    """Return the weights of each span at its pixels; they sum to 1 at every pixel of the axis."""
    weights: list[NDArray[np.float32]] = []
    for span in axis.spans:
        weight = np.ones(span.stop - span.start, np.float32)
        if span.core_start > 0:
            weight *= _rise(span.start, span.stop, span.core_start, axis.feather_px)
        if span.core_stop < axis.length:
            weight *= 1 - _rise(span.start, span.stop, span.core_stop, axis.feather_px)
        weights.append(weight)
    return weights


def _rise(start: int, stop: int, border: int, feather_px: int) -> NDArray[np.float32]:
    """Rise from 0 to 1 over `feather_px` pixels around a border, as a smoothstep."""
    centres = np.arange(start, stop, dtype=np.float32) + 0.5 - border
    if feather_px == 0:
        return (centres > 0).astype(np.float32)
    ramp = np.clip(centres / feather_px + 0.5, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
