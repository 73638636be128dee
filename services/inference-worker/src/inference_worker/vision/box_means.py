"""Means over square windows of many planes at once.

Planes lie as rows × planes × columns: along columns SciPy runs over contiguous lines, and down the
rows a running sum takes all planes in one stride. Per plane that takes half of what SciPy's own
filter along both axes does.
"""

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Planes = NDArray[np.float32]
Edge = Literal["nearest", "reflect"]
"""What lies beyond a picture: its outermost pixels, or the picture mirrored, as in SciPy."""


def box_means(planes: Planes, window: int, edge: Edge) -> Planes:
    """Return the mean of each plane around each of its pixels.

    Args:
        planes: rows × planes × columns.
        window: its side, odd.
        edge: what is beyond.
    """
    down = _means_down(planes.reshape(len(planes), -1), window, edge).reshape(planes.shape)
    along = cast("Any", ndimage).uniform_filter1d
    return along(down, window, axis=2, output=down, mode=edge)


def _means_down(rows: Planes, window: int, edge: Edge) -> Planes:
    """The means along the first axis; sums are of 64 bits, so that nothing adds up."""
    places = _places(len(rows), window // 2, edge)
    total = rows[places[:window]].sum(axis=0, dtype=np.float64)
    change = np.empty_like(total)
    means = np.empty_like(rows)
    share = 1 / window
    np.multiply(total, share, out=means[0], casting="same_kind")
    for row in range(1, len(rows)):
        entering, leaving = rows[places[row + window - 1]], rows[places[row - 1]]
        total += np.subtract(entering, leaving, out=change, dtype=np.float64)
        np.multiply(total, share, out=means[row], casting="same_kind")
    return means


def _places(length: int, reach: int, edge: Edge) -> list[int]:
    """The row that stands at each place from `reach` before the first to as far after the last."""
    places = np.arange(-reach, length + reach)
    if edge == "nearest":
        return np.clip(places, 0, length - 1).tolist()
    places %= 2 * length
    return np.minimum(places, 2 * length - 1 - places).tolist()
