"""Pictures around an edit: what may change, what is looked at, what stays."""

from collections.abc import Sequence

from PIL import Image, ImageChops, ImageOps

_KONTEXT_SIDE_PX = 1024
_KONTEXT_SIZES = (
    (672, 1568),
    (688, 1504),
    (720, 1456),
    (752, 1392),
    (800, 1328),
    (832, 1248),
    (880, 1184),
    (944, 1104),
    (1024, 1024),
)
"""What FLUX.1 Kontext was trained at, upright; the same lying."""


def changed_part(
    base: Image.Image, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image | None]:
    """A base image at the size of the result, and what of it is to be painted anew.

    Args:
        base: RGB, or RGBA whose transparent parts are to be painted anew.
        size: (width, height); the picture is cut to its aspect ratio around the middle.

    Returns:
        RGB, and a mask (L, white is painted anew) where the base has transparent parts.
    """
    # Apart, since resized together what is transparent would lose its colours.
    fitted = ImageOps.fit(base.convert("RGB"), size, Image.Resampling.LANCZOS)
    if base.mode != "RGBA":
        return fitted, None
    # Bilinear, since it does not ring: what is outside of the mask stays outside.
    mask = ImageOps.fit(ImageChops.invert(base.getchannel("A")), size, Image.Resampling.BILINEAR)
    return fitted, mask if mask.getbbox() else None


def kept_outside(mask: Image.Image, painted: Image.Image, base: Image.Image) -> Image.Image:
    """The painted picture within the mask, the base bit by bit outside of it."""
    return Image.composite(painted, base, mask)


def context_pictures(
    pictures: Sequence[Image.Image], native_side_px: int, multiple_of: int
) -> list[Image.Image]:
    """Pictures as an instruction model looks at them.

    Each takes that size the model was trained at which comes closest to its aspect ratio.

    Args:
        pictures: RGB.
        native_side_px: side of the squares that the model was trained at.
        multiple_of: both sides are multiples of it.
    """
    return [_at_trained_size(picture, native_side_px, multiple_of) for picture in pictures]


def _at_trained_size(picture: Image.Image, native_side_px: int, multiple_of: int) -> Image.Image:
    aspect = picture.width / picture.height
    sizes = {size for upright in _KONTEXT_SIZES for size in (upright, upright[::-1])}
    _, *trained = min((abs(aspect - width / height), width, height) for width, height in sizes)
    scale = native_side_px / _KONTEXT_SIDE_PX
    width, height = (max(round(side * scale) // multiple_of, 1) * multiple_of for side in trained)
    if (width, height) == picture.size:
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)
