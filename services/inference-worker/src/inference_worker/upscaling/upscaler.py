"""The protocol of an upscaler, and its implementation by Lanczos."""

from collections.abc import Callable
from typing import Protocol

from PIL import Image

from shared.cancellation import NEVER, CancelFlag

FloatBox = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels of a picture."""


def ignore_progress(fraction: float) -> None:
    """Ignore the progress."""


class Upscaler(Protocol):
    """Upscaler of pictures. Thread-safe; blocks."""

    def upscale(
        self,
        picture: Image.Image,
        size: tuple[int, int],
        *,
        cancel: CancelFlag = NEVER,
        on_progress: Callable[[float], None] = ignore_progress,
    ) -> Image.Image:
        """Resize a picture to exactly `size`; if aspect ratios differ, it is cropped to cover.

        Args:
            picture: RGB.
            size: width and height of the result.
            cancel: checked regularly.
            on_progress: slow upscalers call it with 0 to 1, on the calling thread.

        Raises:
            Cancelled: the flag was set.
        """
        ...


class Lanczos:
    """`Upscaler` by resampling only."""

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
    """Return whether a picture of one size must be enlarged to cover another."""
    box = covering_box(source, target)
    return target[0] > box[2] - box[0] or target[1] > box[3] - box[1]


def covering_box(source: tuple[int, int], target: tuple[int, int]) -> FloatBox:
    """Return the largest centred box of a picture with the target's aspect ratio.

    Args:
        source: width and height of the picture.
        target: width and height of the result.
    """
    width, height = source
    # If one scale gives both sides within a pixel, the ratios differ only by rounding.
    least = max((target[0] - 1) / width, (target[1] - 1) / height)
    most = min((target[0] + 1) / width, (target[1] + 1) / height)
    if least <= most:
        return 0, 0, width, height
    scale = max(target[0] / width, target[1] / height)
    left, top = (width - target[0] / scale) / 2, (height - target[1] / scale) / 2
    # Rounding must not move the box beyond the picture's border.
    right, bottom = min(left + target[0] / scale, width), min(top + target[1] / scale, height)
    return max(left, 0), max(top, 0), right, bottom
