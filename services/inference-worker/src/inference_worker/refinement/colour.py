"""Gives an edited tile the colours of its source, so that neighbours agree."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.checks.metric import Pixels
from shared.pixels.lab import Plane, from_lab, to_lab

_LEVELS = 256
_WITHOUT_COLOUR = 8
"""Levels between a pixel's channels up to which it passes for grey: a lossy file or a profile moves
greys by a few."""
_RED_IN_LUMA, _BLUE_IN_LUMA = np.float32(0.299), np.float32(0.114)
"""Shares of ITU-R BT.601, as in JPEG."""
_MOST_STRETCH = 2.0
"""Contrast is at most doubled or halved: noise on a flat ground is not stretched to a texture."""
_LITTLE = np.float32(1e-3)
_STRIP_PX = 2**18
_Level = TypeVar("_Level", np.uint8, np.int16)

ColourMatch = Callable[[Pixels, Pixels], Pixels]
"""The edited pixels in the colours of the source, which comes second."""


def has_colour(pixels: Pixels) -> bool:
    """Return whether a picture has more than greys."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    return bool((most - least > _WITHOUT_COLOUR).any())


def keep_colours(edited: Pixels, _source: Pixels) -> Pixels:
    """The edited pixels as they are: where an edit is to change colours."""
    return edited


def relight(edited: Pixels, source: Pixels) -> Pixels:
    """The source's hues with the edit's luma: a source that has no colour gets none."""
    change = _luma(edited) - _luma(source)
    return np.clip(source + change[:, :, None], 0, 255).astype(np.uint8)


def match_histograms(edited: Pixels, source: Pixels) -> Pixels:
    """Match each channel's histogram to the source's; a tile that is its source stays as it is.

    Then, at the same luma, those of red − green and blue − green: an edit's noise differs from
    channel to channel, and matched there alone it would colour what is grey. Matching along other
    axes in turn: Pitié et al., Automated colour grading using colour distribution transfer, 2007.
    """
    channels = [_match(edited[:, :, channel], source[:, :, channel]) for channel in range(3)]
    matched = np.stack(channels, axis=2)
    if not has_colour(source):
        return relight(matched, source)
    red, blue = _differences(matched)
    wanted_red, wanted_blue = map(_match, (red, blue), _differences(source))
    moved = _RED_IN_LUMA * (red - wanted_red) + _BLUE_IN_LUMA * (blue - wanted_blue)
    green = matched[:, :, 1] + np.rint(moved).astype(np.int16)
    levels = np.stack([green + wanted_red, green, green + wanted_blue], axis=2)
    return np.clip(levels, 0, _LEVELS - 1).astype(np.uint8)


def match_lab(edited: Pixels, source: Pixels) -> Pixels:
    """Give each channel of CIELAB the source's mean and contrast (Reinhard et al. 2001).

    Within what either of the two has: stretched beyond that, what is nearly white in an orange tile
    would turn cyan. A tile without colour stays without.
    """
    matched = _match_lab(edited, source)
    return matched if has_colour(source) else relight(matched, source)


def _match_lab(edited: Pixels, source: Pixels) -> Pixels:
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


def _luma(pixels: Pixels) -> NDArray[np.int16]:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.int16)


def _differences(pixels: Pixels) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Red and blue, less green."""
    red, green, blue = np.moveaxis(pixels.astype(np.int16), 2, 0)
    return red - green, blue - green


def _match(edited: NDArray[_Level], source: NDArray[_Level]) -> NDArray[_Level]:
    """Each level takes the source's level of the same rank.

    Only levels that the source has are used. scikit-image's `match_histograms` interpolates between
    them, and so spreads the least noise on a flat ground over the gap to the next level.
    """
    edited_counts, source_counts = _counts(edited), _counts(source)
    # Doubled, so that the middle of a level's ranks is a whole number.
    middle_ranks = 2 * np.cumsum(edited_counts) - edited_counts
    places = np.searchsorted(2 * np.cumsum(source_counts), middle_ranks)
    return (places - _LEVELS).astype(edited.dtype)[edited.astype(np.int16) + _LEVELS]


def _counts(values: NDArray[_Level]) -> NDArray[np.intp]:
    """Of the values from −256 to 255, in this order."""
    return np.bincount(values.ravel().astype(np.int16) + _LEVELS, minlength=2 * _LEVELS)
