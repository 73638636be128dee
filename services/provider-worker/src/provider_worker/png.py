"""Conversion of result pictures to PNG: upright, without metadata, resampled if asked."""

import hashlib
import io
import struct

from PIL import Image

from shared.images.admission import ImageRefusedError, admit_image
from shared.images.orientation import exif_transposition
from shared.settings import PictureLimits

_LOSSLESS_MODES = frozenset({"L", "RGB", "RGBA"})


def as_png(
    content: bytes, limits: PictureLimits, size: tuple[int, int] | None = None
) -> tuple[bytes, str]:
    """Convert a picture to an upright PNG without metadata.

    Args:
        content: PNG, JPEG or WebP.
        limits: limits of the picture.
        size: width and height to resample to; none: its own.

    Returns:
        The PNG and its SHA-256.

    Raises:
        ImageRefusedError: it is no such picture, is damaged or exceeds the limits.
    """
    admit_image(content, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    image = upright(content)
    if image.mode not in _LOSSLESS_MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if size is not None and image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    # Pillow's encoders would write the metadata in `info`.
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    png = buffer.getvalue()
    return png, hashlib.sha256(png).hexdigest()


def upright(content: bytes) -> Image.Image:
    """Return a picture upright, with 8 bits a channel.

    Raises:
        ImageRefusedError: it is damaged.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            turn = exif_transposition(image)
            image.load()
            turned = image.copy() if turn is None else image.transpose(turn)
    # Pillow's decoders raise any of these for malformed files.
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error) as error:
        raise ImageRefusedError("cannot be read; it is damaged") from error
    if turned.mode.startswith("I"):  # 16 bits, which Pillow's conversions would cut off
        turned = turned.convert("I").point(lambda value: value / 256).convert("L")
    return turned
