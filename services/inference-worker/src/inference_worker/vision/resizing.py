"""Between a picture's size and a model's: averaged on the way down, smooth on the way up."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_REDUCING_GAP = 2.0
"""Whole pixels are averaged first, to twice the size: as good here, and many times as fast."""


def shrink_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height with the longer side at most `longest`, and each at least one pixel."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resize_picture(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An RGB picture at another width and height."""
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return resized_pixels(Image.fromarray(picture), size)


def resized_pixels(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The same of an image, without a copy of its pixels at their own size."""
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP))


def resize_map(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """An H × W map at another width and height; what lies between its values is interpolated."""
    if size == (values.shape[1], values.shape[0]):
        return values
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
