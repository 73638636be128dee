"""Buckets: the few sizes that pictures are trained at, and the fitting of a picture to one."""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from PIL import Image, ImageOps

from shared.errors import InvalidInputError

LEAST_RESOLUTION = 16
_SMALL_RESOLUTION = 256
_MULTIPLE, _SMALL_MULTIPLE = 64, 16
_MOST_ASPECT = 4
_NOTED_FROM = 1.1
"""Lesser enlargements are not noted: multiples of 64 seldom have a picture's exact aspect."""

ENLARGED = "enlarged"
"""First word of the note on an enlarged picture."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Fitted:
    """A picture in its bucket.

    Attributes:
        picture: of the bucket's size.
        notes: deviations: enlarged, cropped to an aspect of 4:1.
    """

    picture: Image.Image
    notes: list[str]


def multiple_of(resolution: int) -> int:
    """Return the divisor of all buckets' sides."""
    return _SMALL_MULTIPLE if resolution < _SMALL_RESOLUTION else _MULTIPLE


def choose_bucket(size: Size, resolution: int) -> Size:
    """Return the bucket that loses least of a picture.

    It has at most resolution² pixels and no more than the picture, but at least one multiple on
    each side, and an aspect of at most 4:1. Of all buckets it has the greatest product of (its area
    / the allowed area) and (the ratio of both aspects, 1 if equal); of equals, the one nearer to
    the picture's aspect.

    Raises:
        InvalidInputError: the resolution is below 16 pixels.
    """
    if resolution < LEAST_RESOLUTION:
        raise InvalidInputError(
            f"a training resolution must be at least {LEAST_RESOLUTION} px, not {resolution};"
            " change resolutions in SARTIQ_TRAINING_FURTHER"
        )
    multiple = multiple_of(resolution)
    allowed = min(resolution**2, size[0] * size[1])
    across, down = _limited_aspect(size)

    def merit(bucket: Size) -> tuple[int, Fraction, int, Size]:
        width, height = bucket
        # The root of the product, but for a constant factor, in whole numbers: ties are frequent.
        near, far = sorted((width * down, height * across))
        return near, Fraction(near, far), -width * height, bucket

    cells = allowed // multiple**2
    candidates = [
        (columns * multiple, rows * multiple)
        for columns in range(1, isqrt(_MOST_ASPECT * cells) + 1)
        for rows in range(
            -(-columns // _MOST_ASPECT), min(_MOST_ASPECT * columns, cells // columns) + 1
        )
    ]
    return max(candidates, key=merit, default=(multiple, multiple))


def fit_bucket(picture: Image.Image, bucket: Size) -> Fitted:
    """Scale a picture by Lanczos to cover its bucket, and crop it around its centre."""
    scale = max(bucket[0] / picture.width, bucket[1] / picture.height)
    notes: list[str] = []
    if max(picture.size) > _MOST_ASPECT * min(picture.size):
        notes.append(f"cropped to an aspect of {_MOST_ASPECT}:1")
    if scale > _NOTED_FROM or picture.width * picture.height < bucket[0] * bucket[1]:
        notes.append(f"{ENLARGED} to {scale:.2g} times its size")
    if picture.size == bucket:
        return Fitted(picture, notes)
    return Fitted(ImageOps.fit(picture, bucket, Image.Resampling.LANCZOS), notes)


def _limited_aspect(size: Size) -> Size:
    """Return the aspect, limited to 4:1, as two whole numbers."""
    width, height = size
    if width > _MOST_ASPECT * height:
        return _MOST_ASPECT, 1
    return (1, _MOST_ASPECT) if height > _MOST_ASPECT * width else size
