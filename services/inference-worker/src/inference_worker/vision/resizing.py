"""Resizing between a picture's size and a model's: averaging down, bilinear up."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_REDUCING_GAP = 2.0
"""Average whole pixels first, to twice the size: as good here, and many times as fast."""


def shrink_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Scale (width, height) down to a longer side of at most `longest`, each at least 1 pixel."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resize_picture(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an RGB picture to (width, height)."""
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return resized_pixels(Image.fromarray(picture), size)


def resized_pixels(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image to (width, height) without a copy of it at its own size."""
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP))


def resize_map(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize an H × W map to (width, height), with bilinear interpolation."""
    if size == (values.shape[1], values.shape[0]):
        return values
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
