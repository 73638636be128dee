"""Transparency around an edit: models edit only the colours, and the result gets alpha back."""

import numpy as np
from PIL import Image

from shared.pixels.lab import Pixels


def colours(picture: Image.Image) -> Pixels:
    """Return the colours of a picture, RGB or RGBA: [H, W, 3], uint8."""
    return np.asarray(picture.convert("RGB"))


def with_alpha(pixels: Pixels, alpha: Image.Image | None) -> Image.Image:
    """Return pixels, [H, W, 3], as a picture: RGBA with this alpha, or RGB without one."""
    image = Image.fromarray(pixels)
    if alpha is not None:
        image.putalpha(alpha)
    return image


def alpha_of(picture: Image.Image) -> Image.Image | None:
    """Return the alpha of a picture, L; None for an opaque one."""
    return picture.getchannel("A") if picture.mode == "RGBA" else None
