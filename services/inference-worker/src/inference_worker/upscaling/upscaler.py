"""What makes a picture larger, and the plain way of doing so."""

from collections.abc import Callable
from typing import Protocol

from PIL import Image

from shared.cancellation import NEVER, CancelFlag

FloatBox = tuple[float, float, float, float]
"""Left, top, right and bottom within a picture."""


def ignore_progress(fraction: float) -> None:
    """Of a run whose progress nobody watches."""


class Upscaler(Protocol):
    """Makes pictures larger. May be called from any thread, and blocks."""

    def upscale(
        self,
        picture: Image.Image,
        size: tuple[int, int],
        *,
        cancel: CancelFlag = NEVER,
        on_progress: Callable[[float], None] = ignore_progress,
    ) -> Image.Image:
        """A picture of exactly that size; of other proportions, it is covered and the rest cut off.

        Args:
            picture: RGB.
            size: width and height of the result.
            cancel: looked at now and then.
            on_progress: hears fractions from 0 to 1, on the calling thread, where that takes long.

        Raises:
            Cancelled: the flag was set.
        """
        ...


class Lanczos:
    """Implements `Upscaler` by resampling alone."""

    def upscale(
        self,
        picture: Image.Image,
        size: tuple[int, int],
        *,
        cancel: CancelFlag = NEVER,
        on_progress: Callable[[float], None] = ignore_progress,
    ) -> Image.Image:
        return picture.resize(size, Image.Resampling.LANCZOS, covering_box(picture.size, size))


LANCZOS: Upscaler = Lanczos()


def is_enlarged(source: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether a picture of one size has to grow to cover another."""
    box = covering_box(source, target)
    return target[0] > box[2] - box[0] or target[1] > box[3] - box[1]


def covering_box(source: tuple[int, int], target: tuple[int, int]) -> FloatBox:
    """The largest middle part of a picture that has the target's proportions.

    Args:
        source: width and height of the picture.
        target: width and height of what it becomes.
    """
    width, height = source
    # A scale that gives both sides within a pixel: the rest is rounding, not another shape.
    least = max((target[0] - 1) / width, (target[1] - 1) / height)
    most = min((target[0] + 1) / width, (target[1] + 1) / height)
    if least <= most:
        return 0, 0, width, height
    scale = max(target[0] / width, target[1] / height)
    left, top = (width - target[0] / scale) / 2, (height - target[1] / scale) / 2
    # Rounding must not carry the box over the picture's border.
    right, bottom = min(left + target[0] / scale, width), min(top + target[1] / scale, height)
    return max(left, 0), max(top, 0), right, bottom
