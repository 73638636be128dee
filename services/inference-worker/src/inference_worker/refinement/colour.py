"""Colour matching of an edited tile to its source, so that neighbouring tiles agree."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.checks.metric import Pixels
from shared.pixels.lab import Plane, from_lab, to_lab

_LEVELS = 256
_WITHOUT_COLOUR = 8
"""Largest difference between the channels of a grey pixel: lossy compression and colour profiles
shift greys by a few levels."""
_RED_IN_LUMA, _BLUE_IN_LUMA = np.float32(0.299), np.float32(0.114)
"""Weights of ITU-R BT.601, as in JPEG."""
_MOST_STRETCH = 2.0
"""Contrast is at most doubled or halved, so that noise on a flat area does not become texture."""
_EPSILON = np.float32(1e-3)
_STRIP_PX = 2**18
_Level = TypeVar("_Level", np.uint8, np.int16)

ColourMatch = Callable[[Pixels, Pixels], Pixels]
"""Function of the edited and the source pixels that returns the edit with matched colours."""


def has_colour(pixels: Pixels) -> bool:
    """Return whether a picture has any pixel that is not grey."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    return bool((most - least > _WITHOUT_COLOUR).any())


def keep_colours(edited: Pixels, _source: Pixels) -> Pixels:
    """Return the edited pixels unchanged, for edits that should change colours."""
    return edited


def relight(edited: Pixels, source: Pixels) -> Pixels:
    """Return the source with the luma of the edit; a grey source stays grey."""
    change = _luma(edited) - _luma(source)
    return np.clip(source + change[:, :, None], 0, 255).astype(np.uint8)


def match_histograms(edited: Pixels, source: Pixels) -> Pixels:
    """Match each channel's histogram to the source's; an unchanged tile stays unchanged.

    Then match the histograms of red − green and blue − green at constant luma: noise of an edit
    differs between channels, and matching only per channel would tint greys. Matching along several
    axes in turn follows Pitié et al., Automated colour grading using colour distribution transfer,
    2007.
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
    """Match mean and standard deviation of each CIELAB channel (Reinhard et al. 2001).

    Values are clipped to the joint range of both pictures: otherwise near-white pixels of an orange
    tile would turn cyan. A grey tile stays grey.
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
    stretch = (wanted_deviation + _EPSILON) / (deviation + _EPSILON)
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
    """Return slices of rows to convert one by one, since a conversion needs much memory."""
    height, width = pixels.shape[:2]
    step = max(_STRIP_PX // width, 1)
    return [slice(top, top + step) for top in range(0, height, step)]


def _moments(lab: Plane) -> Plane:
    """Return the channels' means and standard deviations, 2 × 3."""
    # One channel at a time: NumPy then sums pairwise. Over all three, it would add pixel by pixel,
    # and float32 would lose whole levels in a tile of some megapixels.
    channels = np.moveaxis(lab, 2, 0)
    return np.array([[c.mean() for c in channels], [c.std() for c in channels]], np.float32)


def _luma(pixels: Pixels) -> NDArray[np.int16]:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.int16)


def _differences(pixels: Pixels) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return red − green and blue − green."""
    red, green, blue = np.moveaxis(pixels.astype(np.int16), 2, 0)
    return red - green, blue - green


def _match(edited: NDArray[_Level], source: NDArray[_Level]) -> NDArray[_Level]:
    """Map each level to the source's level of the same rank.

    Only levels of the source are used. scikit-image's `match_histograms` interpolates between them,
    and so spreads slight noise on a flat area over the gap to the next level.
    """
    edited_counts, source_counts = _counts(edited), _counts(source)
    # Doubled, so that the middle rank of a level is a whole number.
    middle_ranks = 2 * np.cumsum(edited_counts) - edited_counts
    places = np.searchsorted(2 * np.cumsum(source_counts), middle_ranks)
    return (places - _LEVELS).astype(edited.dtype)[edited.astype(np.int16) + _LEVELS]


def _counts(values: NDArray[_Level]) -> NDArray[np.intp]:
    """Count the values from −256 to 255, in this order."""
    return np.bincount(values.ravel().astype(np.int16) + _LEVELS, minlength=2 * _LEVELS)
