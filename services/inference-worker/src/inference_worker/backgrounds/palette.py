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
_SURELY_NONE = 0.05
"""Above this a pixel may be the edge of a person, or a hair."""
_LEAST_SHARE = 0.01
_PLAIN = 8
"""Levels by which a swatch's channels may vary."""


def background_colour(palette: Image.Image, finders: ForegroundModels) -> LabColour:
    """The median, in CIELAB, of what is no person or product: noise and shadows do not move it.

    A plain swatch is its own median.

    Args:
        palette: RGB.
        finders: find what is no background.

    Raises:
        InvalidInputError: a person leaves nothing of the background to see.
    """
    cell = max(1, -(-max(palette.size) // _SAMPLED_SIDE_PX))
    small = palette.reduce(cell)
    pixels = np.asarray(small)
    kept = None if _is_plain(small) else find_foreground(palette, finders)
    if kept is None:
        return _median(pixels)
    cover = np.asarray(Image.fromarray(kept.mask).reduce(cell))
    background = pixels[cover <= _SURELY_NONE]
    if len(background) >= _LEAST_SHARE * cover.size:
        return _median(background)
    if kept.found_by is BackgroundMask.SUBJECT:
        # A swatch of a fabric has no background, and is all about its colour.
        return _median(pixels)
    raise InvalidInputError(
        "palette_image: shows no background beside its person; send a picture of which at least"
        f" {_LEAST_SHARE:.0%} is background, or a plain swatch of the colour"
    )


def _is_plain(picture: Image.Image) -> bool:
    extrema = cast("tuple[tuple[int, int], ...]", picture.getextrema())
    return all(most - least <= _PLAIN for least, most in extrema)


def _median(pixels: NDArray[np.uint8]) -> LabColour:
    lightness, a, b = np.median(to_lab(pixels.reshape(-1, 3)), axis=0).tolist()
    return LabColour(lightness, a, b)
