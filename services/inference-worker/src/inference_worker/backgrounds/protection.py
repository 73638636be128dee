"""The share of each pixel to keep: the person's mask, dilated and blurred.

The soft edge is outside the person: the result is the maximum of the mask and the blurred mask, so
the person's own pixels stay unchanged. Dilation and blur run at a reduced size, as far as the blur
hides the difference; rows are enlarged on demand.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import (
    distance_transform_edt,  # pyright: ignore[reportUnknownVariableType]
    gaussian_filter,  # pyright: ignore[reportUnknownVariableType]
)

from shared.pixels.lab import Plane

_distances = cast(Callable[..., Any], distance_transform_edt)
_gaussian_filter = cast(Callable[..., Any], gaussian_filter)
_SIGMA_CELLS = 8
"""Minimum sigma of the blur at the reduced size; at a coarser one, small dilations would vanish."""
_REDUCED_PIXELS = 2_000_000


class Protection:
    """The soft mask of the pixels to keep.

    Args:
        person: H × W, 0 to 1.
        grow_px: radius of the dilation, in pixels.
        blur_sigma_px: standard deviation of the Gaussian blur, in pixels.
    """

    def __init__(
        self, person: NDArray[np.float32], *, grow_px: float, blur_sigma_px: float
    ) -> None:
        self._person = person
        self._cell = 1
        self._around: Image.Image | None = None
        if not person.size or not (grow_px or blur_sigma_px):
            return
        # A blur as wide as the picture makes the mask flat; a wider one changes nothing more.
        sigma_px = min(blur_sigma_px, max(person.shape))
        by_size = int(np.ceil(np.sqrt(person.size / _REDUCED_PIXELS)))
        self._cell = max(1, int(sigma_px) // _SIGMA_CELLS, by_size)
        solid = Image.fromarray((person >= 0.5).view(np.uint8) * np.uint8(255))
        around = _grown(np.asarray(solid.reduce(self._cell)) >= 128, grow_px / self._cell)
        if sigma_px:
            around = _gaussian_filter(around, sigma_px / self._cell, mode="nearest")
        self._around = Image.fromarray(around)

    def rows(self, first: int, last: int) -> Plane:
        """Return the share to keep for the rows from `first` up to `last`: rows × W, 0 to 1."""
        kept = np.clip(self._person[first:last], 0, 1)
        if self._around is None:
            return kept
        width, cell = self._person.shape[1], self._cell
        around = self._around.resize(
            (width, last - first),
            Image.Resampling.BILINEAR,
            box=(0, first / cell, width / cell, last / cell),
        )
        return np.maximum(kept, np.asarray(around), out=kept)


def _grown(mask: NDArray[np.bool_], radius: float) -> Plane:
    """Dilate the mask by `radius` pixels, with a soft edge one pixel wide."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    distance: NDArray[np.float64] = _distances(~mask)
    return np.clip(radius + 1 - distance, 0, 1).astype(np.float32)
