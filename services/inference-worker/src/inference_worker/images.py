"""Pictures from outside become RGB, safely; ours become PNG, the same bytes every time."""

import hashlib
import io

import numpy as np
from PIL import Image, ImageOps

from shared.errors import InvalidInputError

_FORMATS = ("PNG", "JPEG", "WEBP")
_WHITE = (255, 255, 255)


def decode_image(content: bytes, *, max_pixels: int) -> Image.Image:
    """Decode PNG, JPEG or WebP from an untrusted source, upright, on white, in RGB.

    The size is checked in the header, before any pixel is decoded. Of animations the first frame
    counts.

    Raises:
        InvalidInputError: the bytes are no such picture, are damaged or hold too many pixels.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise InvalidInputError(
                    f"the picture has {image.width} × {image.height} pixels; at most"
                    f" {max_pixels} are read"
                )
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidInputError(f"the picture has too many pixels: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInputError(
            f"the picture cannot be read as {', '.join(_FORMATS)}: {error}"
        ) from error


def encode_png(image: Image.Image, *, compress_level: int = 3) -> bytes:
    """Lossless and without metadata, so that equal pixels give equal bytes."""
    buffer = io.BytesIO()
    # Pillow writes what it read into these back out unless told otherwise.
    plain = image.copy()
    plain.info.clear()
    plain.save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()


def sha256_hex(content: bytes) -> str:
    """Digest of an object, as `StoredFile` carries it."""
    return hashlib.sha256(content).hexdigest()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        flat = Image.new("RGB", image.size, _WHITE)
        flat.paste(image, mask=image.getchannel("A"))
        return flat
    return image.convert("RGB")
