"""Transparency goes around an edit: models see the colours alone, and the result has it again."""

import numpy as np
from PIL import Image

from shared.pixels.lab import Pixels


def colours(picture: Image.Image) -> Pixels:
    """What is edited of a picture, RGB or RGBA: [H, W, 3]."""
    return np.asarray(picture.convert("RGB"))


def with_alpha(pixels: Pixels, alpha: Image.Image | None) -> Image.Image:
    """The result, transparent as the picture was; none: RGB."""
    image = Image.fromarray(pixels)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def alpha_of(picture: Image.Image) -> Image.Image | None:
    """How opaque a picture is, L; none: wholly."""
    return picture.getchannel("A") if picture.mode == "RGBA" else None
