"""Box filter: means over square windows, for many planes at once.

The layout is rows × planes × columns. Along columns, SciPy filters contiguous lines; down the rows,
a running sum handles all planes in one operation. That takes half the time per plane of SciPy's own
filter along both axes.
"""

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Planes = NDArray[np.float32]
Edge = Literal["nearest", "reflect"]
"""Extension beyond the border: the outermost pixels, or the picture mirrored, as in SciPy."""


def box_means(planes: Planes, window: int, edge: Edge) -> Planes:
    """Return the mean of each plane around each of its pixels.

    Args:
        planes: rows × planes × columns.
        window: its side, odd.
        edge: extension beyond the border.
    """
    down = _means_down(planes.reshape(len(planes), -1), window, edge).reshape(planes.shape)
    along = cast("Any", ndimage).uniform_filter1d
    return along(down, window, axis=2, output=down, mode=edge)


def _means_down(rows: Planes, window: int, edge: Edge) -> Planes:
    """Return the means along the first axis; 64-bit sums avoid accumulated rounding errors."""
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
    """Return the row indices from `reach` before the first to `reach` after the last row."""
    places = np.arange(-reach, length + reach)
    if edge == "nearest":
        return np.clip(places, 0, length - 1).tolist()
    places %= 2 * length
    return np.minimum(places, 2 * length - 1 - places).tolist()
