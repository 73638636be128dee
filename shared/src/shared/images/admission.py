"""Admission of input pictures, by their header and structure; no pixel is decoded.

PNG, JPEG and WebP are admitted. A picture with a wrong type, a truncated one or one with too many
pixels (decompression bomb) is refused before it is stored.
"""

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from shared.images.structure import is_complete, read_webp_size

_CONTENT_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
_MAX_SIGNATURE_BYTES = 12


class ImageRefusedError(ValueError):
    """A picture is refused; the message says the cause and the remedy."""


class UnsupportedImageError(ImageRefusedError):
    """The data is not a picture, or not in a supported format."""


class ImageTooLargeError(ImageRefusedError):
    """The file has more bytes than allowed."""


class TooManyPixelsError(ImageRefusedError):
    """The picture has more pixels than allowed."""


@dataclass(frozen=True)
class AdmittedImage:
    """Format and size of a picture, from its header."""

    content_type: str
    extension: str
    width: int
    height: int


def admit_image(content: bytes, *, max_bytes: int, max_pixels: int) -> AdmittedImage:
    """Check a picture, and return its format and size.

    Raises:
        ImageRefusedError: the picture is refused.
    """
    return admit_image_file(io.BytesIO(content), max_bytes=max_bytes, max_pixels=max_pixels)


def admit_image_file(file: BinaryIO, *, max_bytes: int, max_pixels: int) -> AdmittedImage:
    """Check a picture in a file, and return its format and size. Moves the file's position.

    Raises:
        ImageRefusedError: the picture is refused.
    """
    size_bytes = file.seek(0, io.SEEK_END)
    if size_bytes > max_bytes:
        raise too_large(max_bytes)
    file.seek(0)
    start = file.read(_MAX_SIGNATURE_BYTES)
    kind = next((kind for kind, magic in _SIGNATURES.items() if magic.match(start)), None)
    if kind is None:
        raise UnsupportedImageError("is not a PNG, JPEG or WebP picture; convert it to one")
    if not is_complete(file, kind, size_bytes):
        raise ImageRefusedError(f"is a truncated {kind} picture; send the whole file")
    width, height = _read_size(file, kind, max_pixels)
    return AdmittedImage(_CONTENT_TYPES[kind], kind.lower(), width, height)


def too_large(max_bytes: int) -> ImageTooLargeError:
    """Return the error for a picture with too many bytes."""
    return ImageTooLargeError(f"is larger than {max_bytes} bytes; send a smaller picture")


def _read_size(file: BinaryIO, kind: str, max_pixels: int) -> tuple[int, int]:
    # Above its own limit Pillow warns, which is treated as an error here.
    limit = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    try:
        width, height = read_webp_size(file) if kind == "WEBP" else _read_header(file, kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(f"has too many pixels; at most {limit} are allowed") from error
    # Pillow's readers raise any of these on malformed data.
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error) as error:
        raise ImageRefusedError(f"cannot be read as {kind}; it is damaged") from error
    if width * height > limit:
        raise TooManyPixelsError(f"has {width} × {height} pixels; at most {limit} are allowed")
    if width < 1 or height < 1:
        raise ImageRefusedError("has no pixels")
    return width, height


def _read_header(file: BinaryIO, kind: str) -> tuple[int, int]:
    file.seek(0)
    with Image.open(file, formats=(kind,)) as image:
        return image.size
