"""The colour of a palette image's background."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.backgrounds.foreground import ForegroundModels, find_foreground
from shared.contracts.backgrounds import BackgroundMask
from shared.errors import InvalidInputError
from shared.pixels.lab import LabColour, to_lab

_SAMPLED_SIDE_PX = 512
_MOST_COVER = 0.05
"""Highest foreground cover of a background pixel; above it may be hair or the edge of a person."""
_LEAST_SHARE = 0.01
_PLAIN = 8
"""Levels by which the channels of a plain swatch may vary."""


def background_colour(palette: Image.Image, models: ForegroundModels) -> LabColour:
    """Return the median CIELAB colour of the background, robust to noise and shadows.

    For a plain swatch, it is the median of the whole picture.

    Args:
        palette: RGB.
        models: segment the foreground.

    Raises:
        InvalidInputError: a person covers the background.
    """
    cell = max(1, -(-max(palette.size) // _SAMPLED_SIDE_PX))
    small = palette.reduce(cell)
    pixels = np.asarray(small)
    foreground = None if _is_plain(small) else find_foreground(palette, models)
    if foreground is None:
        return _median(pixels)
    cover = np.asarray(Image.fromarray(foreground.mask).reduce(cell))
    background = pixels[cover <= _MOST_COVER]
    if len(background) >= _LEAST_SHARE * cover.size:
        return _median(background)
    if foreground.found_by is BackgroundMask.SUBJECT:
        # A fabric swatch has no background: its own colour is the one meant.
        return _median(pixels)
    raise InvalidInputError(
        "palette_image: shows no background, only a person; send a picture with at least"
        f" {_LEAST_SHARE:.0%} background, or a plain swatch of the colour"
    )


def _is_plain(picture: Image.Image) -> bool:
    extrema = cast("tuple[tuple[int, int], ...]", picture.getextrema())
    return all(most - least <= _PLAIN for least, most in extrema)


def _median(pixels: NDArray[np.uint8]) -> LabColour:
    lightness, a, b = np.median(to_lab(pixels.reshape(-1, 3)), axis=0).tolist()
    return LabColour(lightness, a, b)
