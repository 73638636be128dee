"""The colour of a palette image's background."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.lab import LabColour, to_lab
from shared.errors import InvalidInputError

_SAMPLED_SIDE_PX = 512
_SURELY_NONE = 0.05
"""Above this a pixel may be the edge of a person, or a hair."""
_LEAST_SHARE = 0.01


def background_colour(palette: Image.Image, person: NDArray[np.float32]) -> LabColour:
    """The median, in CIELAB, of what is no person: shadows, props and noise do not move it.

    A plain swatch, without a person, is its own median.

    Args:
        palette: RGB.
        person: H × W, 0 to 1.

    Raises:
        InvalidInputError: the person leaves nothing of the background to see.
    """
    cell = max(1, -(-max(palette.size) // _SAMPLED_SIDE_PX))
    pixels = np.asarray(palette.reduce(cell))
    cover = np.asarray(Image.fromarray(person).reduce(cell))
    background = pixels[cover <= _SURELY_NONE]
    if len(background) < _LEAST_SHARE * cover.size:
        raise InvalidInputError(
            "palette_image: shows no background beside its person; send a picture of which at least"
            f" {_LEAST_SHARE:.0%} is background, or a plain swatch of the colour"
        )
    lightness, a, b = np.median(to_lab(background), axis=0).tolist()
    return LabColour(lightness, a, b)
