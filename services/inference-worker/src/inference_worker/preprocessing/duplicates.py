"""Duplicates: pictures that show the same at another size or quality.

A hash of grey levels alone takes colourways of one product for duplicates; the colours of a
thumbnail must agree as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageStat

_HASH_SIDE = 8
_THUMBNAIL_SIDE = 16
_MOST_BITS = 2
_MOST_ERROR = 2.0


@dataclass(frozen=True)
class Signature:
    """The traits of a picture by which duplicates are recognized.

    Attributes:
        gradients: dHash: a bit for each pair of horizontal neighbours in 9 × 8 grey pixels.
        colours: 16 × 16 RGB pixels.
        area: of the picture, in pixels.
    """

    gradients: int
    colours: bytes
    area: int

    def is_duplicate_of(self, other: "Signature") -> bool:
        """Return true if both gradients and colours agree."""
        if (self.gradients ^ other.gradients).bit_count() > _MOST_BITS:
            return False
        return _mean_error(self.colours, other.colours) <= _MOST_ERROR


@dataclass(frozen=True)
class Duplicate:
    """A duplicate, and the picture that is kept, by their positions."""

    index: int
    kept_index: int


def sign(picture: Image.Image) -> Signature:
    """Return the signature of an RGB picture."""
    lanczos = Image.Resampling.LANCZOS
    grey = picture.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), lanczos).tobytes()
    gradients = 0
    for row in range(_HASH_SIDE):
        for column in range(_HASH_SIDE):
            place = row * (_HASH_SIDE + 1) + column
            gradients = gradients << 1 | (grey[place + 1] > grey[place])
    thumbnail = picture.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    return Signature(gradients, thumbnail.tobytes(), picture.width * picture.height)


def find_duplicates(signatures: Sequence[Signature]) -> list[Duplicate]:
    """Return all duplicates, by position; of each group the largest is kept, else the first."""
    kept: list[int] = []
    found: list[Duplicate] = []
    by_size = sorted(range(len(signatures)), key=lambda index: (-signatures[index].area, index))
    for index in by_size:
        signature = signatures[index]
        same = next((each for each in kept if signature.is_duplicate_of(signatures[each])), None)
        if same is None:
            kept.append(index)
        else:
            found.append(Duplicate(index, same))
    return sorted(found, key=lambda duplicate: duplicate.index)


def _mean_error(left: bytes, right: bytes) -> float:
    size = (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE)
    pictures = (Image.frombytes("RGB", size, colours) for colours in (left, right))
    means = ImageStat.Stat(ImageChops.difference(*pictures)).mean
    return sum(means) / len(means)
