"""Pictures before and after an edit: canvas, mask and context pictures."""

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
"""Training sizes of FLUX.1 Kontext in portrait format; the same in landscape format."""


def changed_part(
    base: Image.Image, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image | None]:
    """Return a base image at the size of the result, and the mask of what may change.

    Args:
        base: RGB, or RGBA whose transparent parts are inpainted.
        size: (width, height); the picture is cropped to its aspect ratio around the middle.

    Returns:
        RGB, and a mask where the base has transparent parts: L, white may change.
    """
    # Apart: resized together, transparent pixels would lose their colours.
    fitted = ImageOps.fit(base.convert("RGB"), size, Image.Resampling.LANCZOS)
    if base.mode != "RGBA":
        return fitted, None
    # Bilinear does not ring: pixels outside of the mask stay outside.
    mask = ImageOps.fit(ImageChops.invert(base.getchannel("A")), size, Image.Resampling.BILINEAR)
    return fitted, mask if mask.getbbox() else None


def kept_outside(mask: Image.Image, painted: Image.Image, base: Image.Image) -> Image.Image:
    """Return the painted picture within the mask, and the base's exact pixels outside of it."""
    return Image.composite(painted, base, mask)


def context_pictures(
    pictures: Sequence[Image.Image], native_side_px: int, multiple_of: int
) -> list[Image.Image]:
    """Resize pictures to the training size with the closest aspect ratio.

    Args:
        pictures: RGB.
        native_side_px: side of the squares that the model was trained on.
        multiple_of: the divisor of both sides.
    """
    return [_at_trained_size(picture, native_side_px, multiple_of) for picture in pictures]


def _at_trained_size(picture: Image.Image, native_side_px: int, multiple_of: int) -> Image.Image:
    aspect = picture.width / picture.height
    sizes = {size for portrait in _KONTEXT_SIZES for size in (portrait, portrait[::-1])}
    _, *trained = min((abs(aspect - width / height), width, height) for width, height in sizes)
    scale = native_side_px / _KONTEXT_SIDE_PX
    width, height = (max(round(side * scale) // multiple_of, 1) * multiple_of for side in trained)
    if (width, height) == picture.size:
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)
