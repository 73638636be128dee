"""Gives an edited tile the colours of its source, so that neighbours agree."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inference_worker.checks.metric import Pixels
from inference_worker.lab import Plane, from_lab, to_lab

_LEVELS = 256
_MOST_STRETCH = 2.0
"""Contrast is at most doubled or halved: noise on a flat ground is not stretched to a texture."""
_LITTLE = np.float32(1e-3)
_STRIP_PX = 2**18

ColourMatch = Callable[[Pixels, Pixels], Pixels]
"""The edited pixels in the colours of the source, which comes second."""


def keep_colours(edited: Pixels, _source: Pixels) -> Pixels:
    """The edited pixels as they are: where an edit is to change colours."""
    return edited


def match_histograms(edited: Pixels, source: Pixels) -> Pixels:
    """Match each channel's histogram to the source's; a tile that is its source stays as it is."""
    channels = [_match(edited[:, :, channel], source[:, :, channel]) for channel in range(3)]
    return np.stack(channels, axis=2)


def match_lab(edited: Pixels, source: Pixels) -> Pixels:
    """Give each channel of CIELAB the source's mean and contrast (Reinhard et al. 2001).

    Within what either of the two has: stretched beyond that, what is nearly white in an orange tile
    would turn cyan.
    """
    lab = _lab(source)
    wanted_mean, wanted_deviation = _moments(lab)
    least, most = lab.min((0, 1)), lab.max((0, 1))
    lab = _lab(edited)
    mean, deviation = _moments(lab)
    least, most = np.minimum(least, lab.min((0, 1))), np.maximum(most, lab.max((0, 1)))
    stretch = (wanted_deviation + _LITTLE) / (deviation + _LITTLE)
    stretch = np.clip(stretch, 1 / _MOST_STRETCH, _MOST_STRETCH, dtype=np.float32)
    matched = np.empty_like(edited)
    for rows in _strips(edited):
        matched[rows] = from_lab(np.clip((lab[rows] - mean) * stretch + wanted_mean, least, most))
    return matched


def _lab(pixels: Pixels) -> Plane:
    lab = np.empty(pixels.shape, np.float32)
    for rows in _strips(pixels):
        lab[rows] = to_lab(pixels[rows])
    return lab


def _strips(pixels: Pixels) -> list[slice]:
    """Rows that are converted together: that takes many times the memory of its result."""
    height, width = pixels.shape[:2]
    step = max(_STRIP_PX // width, 1)
    return [slice(top, top + step) for top in range(0, height, step)]


def _moments(lab: Plane) -> Plane:
    """Means of the channels, and their standard deviations."""
    # One channel at a time: NumPy sums that pairwise. Over all at once it adds up pixel by pixel,
    # and 32 bits lose whole levels of a tile of some megapixels.
    channels = np.moveaxis(lab, 2, 0)
    return np.array([[c.mean() for c in channels], [c.std() for c in channels]], np.float32)


def _match(edited: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each level takes the source's level of the same rank.

    Only levels that the source has are used. scikit-image's `match_histograms` interpolates between
    them, and so spreads the least noise on a flat ground over the gap to the next level.
    """
    edited_counts = np.bincount(edited.ravel(), minlength=_LEVELS)
    source_counts = np.bincount(source.ravel(), minlength=_LEVELS)
    # Doubled, so that the middle of a level's ranks is a whole number.
    middle_ranks = 2 * np.cumsum(edited_counts) - edited_counts
    levels = np.searchsorted(2 * np.cumsum(source_counts), middle_ranks).astype(np.uint8)
    return levels[edited]
