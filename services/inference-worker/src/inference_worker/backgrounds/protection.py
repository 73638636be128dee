"""How much of each pixel is kept: the person's mask, grown and blurred.

The soft edge lies around the person, never on it: where the blurred mask falls below the mask
itself, the mask holds, so that the person's own pixels stay as they are. Growing and blurring
happen at a fraction of the size, as far as the blur leaves nothing finer; rows come as needed.
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
"""The blur's sigma at reduced size: coarser, and a mask that grows by few pixels would not."""
_REDUCED_PIXELS = 2_000_000


class Protection:
    """What is kept of a picture.

    Args:
        person: H × W, 0 to 1.
        grow_px: how far it grows, in pixels.
        blur_sigma_px: standard deviation of its soft edge, in pixels.
    """

    def __init__(
        self, person: NDArray[np.float32], *, grow_px: float, blur_sigma_px: float
    ) -> None:
        self._person = person
        self._cell = 1
        self._around: Image.Image | None = None
        if not person.size or not (grow_px or blur_sigma_px):
            return
        # A blur that is wider than the picture makes it flat; a wider one still changes nothing.
        sigma_px = min(blur_sigma_px, max(person.shape))
        by_size = int(np.ceil(np.sqrt(person.size / _REDUCED_PIXELS)))
        self._cell = max(1, int(sigma_px) // _SIGMA_CELLS, by_size)
        solid = Image.fromarray((person >= 0.5).view(np.uint8) * np.uint8(255))
        around = _grown(np.asarray(solid.reduce(self._cell)) >= 128, grow_px / self._cell)
        if sigma_px:
            around = _gaussian_filter(around, sigma_px / self._cell, mode="nearest")
        self._around = Image.fromarray(around)

    def rows(self, first: int, last: int) -> Plane:
        """What is kept of the rows from `first` up to `last`: rows × W, 0 to 1."""
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
    """The mask and all that is no farther from it than `radius`, with an edge one pixel soft."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    distance: NDArray[np.float64] = _distances(~mask)
    return np.clip(radius + 1 - distance, 0, 1).astype(np.float32)
