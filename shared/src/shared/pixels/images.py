"""Decoding of untrusted pictures to sRGB, and encoding of pictures as deterministic PNG."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any, cast

from PIL import Image, ImageFile, UnidentifiedImageError

from shared.errors import InvalidInputError
from shared.images.orientation import exif_transposition
from shared.pixels.colour_profiles import own_profile, to_srgb

_FORMATS = ("PNG", "JPEG", "WEBP")
_WHITE = (255, 255, 255)
_OPAQUE = 255
_IS_SEEN = [0, *[_OPAQUE] * 255]
"""255 for each alpha from 1 on, 0 for 0."""
_WIDENED: dict[object, int] = {"L;2": 85, "L;4": 17}
"""The factor by which Pillow widens the levels of PNGs with 2 or 4 bits."""

PNG_COMPRESSION: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""For photographs: after PNG's filters, run lengths alone give smaller files than a search for
matches at level 6, in a quarter of its time."""


def decode_image(content: bytes, *, max_pixels: int) -> Image.Image:
    """Decode PNG, JPEG or WebP from an untrusted source, upright, on white, in sRGB.

    The size is checked in the header, before any pixel is decoded. Of animations the first frame
    is decoded.

    Raises:
        InvalidInputError: the bytes are no such picture, are damaged or hold too many pixels.
    """
    return _decode(content, max_pixels, on_white)


def decode_with_alpha(content: bytes, *, max_pixels: int) -> Image.Image:
    """Decode like `decode_image`, but keep transparency: RGBA, or RGB if nothing is transparent."""
    return _decode(content, max_pixels, _keep_alpha)


def decode_cutout(content: bytes, *, max_pixels: int) -> Image.Image:
    """Decode like `decode_with_alpha`, for use of the colours apart from alpha.

    Colours of pixels with any opacity stay unchanged. Fully transparent pixels get the blurred
    colours of visible ones around them: no hidden colour bleeds into an edge when colours and alpha
    are resized, or used, apart.
    """
    return _decode(content, max_pixels, _to_cutout)


def _decode(
    content: bytes, max_pixels: int, convert: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise InvalidInputError(
                    f"the picture has {image.width} × {image.height} pixels; at most"
                    f" {max_pixels} are read"
                )
            # Viewers ignore metadata behind the pixels of a file.
            turn, profile = exif_transposition(image), own_profile(image, content)
            return convert(to_srgb(_turned(_load(image), turn), profile))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        most = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
        raise InvalidInputError(
            f"the picture has too many pixels; at most {most} are read"
        ) from error
    except UnidentifiedImageError as error:
        raise InvalidInputError(
            f"the picture cannot be read as {', '.join(_FORMATS)}: it is none of these"
        ) from error
    # Pillow's readers raise any of these for hostile bytes.
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error) as error:
        raise InvalidInputError(
            f"the picture cannot be read as {', '.join(_FORMATS)}: it is damaged"
        ) from error


def encode_png(image: Image.Image) -> bytes:
    """Encode without loss and without metadata, so that equal pixels give equal bytes."""
    buffer = io.BytesIO()
    # Pillow would write the metadata that it read.
    plain = image.copy()
    plain.info.clear()
    plain.save(buffer, "PNG", **PNG_COMPRESSION)
    return buffer.getvalue()


def sha256_hex(content: bytes) -> str:
    """Return the digest of an object, as in `StoredFile`."""
    return hashlib.sha256(content).hexdigest()


def _load(image: ImageFile.ImageFile) -> Image.Image:
    """Decode the pixels, and correct what Pillow omits when it converts a PNG to 8 bits.

    It does not convert the transparent colour, and opens 16-bit LA as RGBA.
    """
    stored = image.tile[0].args if image.tile else None
    image.load()
    key: object = image.info.get("transparency")
    if isinstance(key, int) and stored in _WIDENED:
        image.info["transparency"] = key * _WIDENED[stored]
    elif isinstance(key, tuple) and stored == "RGB;16B":
        deep = cast("tuple[int, ...]", key)
        image.info["transparency"] = tuple(level >> 8 for level in deep)
    return image.convert("LA") if stored == "LA;16B" else image


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image.copy() if turn is None else image.transpose(turn)


def _keep_alpha(image: Image.Image) -> Image.Image:
    if image.mode in {"LA", "RGBA"} and image.getchannel("A").getextrema() != (255, 255):
        return image.convert("RGBA")
    return image.convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    """Return RGB, with white behind transparent pixels."""
    image = _keep_alpha(image)
    if image.mode == "RGB":
        return image
    flat = Image.new("RGB", image.size, _WHITE)
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def _to_cutout(image: Image.Image) -> Image.Image:
    image = _keep_alpha(image)
    if image.mode == "RGB":
        return image
    alpha = image.getchannel("A")
    cutout = _carry_colours_on(image)
    # Without this, translucent colours would blend with the canvas.
    cutout.paste(image, mask=alpha.point(_IS_SEEN))
    cutout.putalpha(alpha)
    return cutout


def _carry_colours_on(image: Image.Image) -> Image.Image:
    """Return the picture over its own visible colours, blurred the more the farther they are.

    Pull-push: Gortler et al., "The Lumigraph", 1996. Pillow resizes RGBA weighted by alpha.
    """
    levels = [image]
    while max(levels[-1].size) > 1:
        width, height = levels[-1].size
        half = ((width + 1) // 2, (height + 1) // 2)
        levels.append(levels[-1].resize(half, Image.Resampling.BOX))
    canvas = levels[-1].copy()
    if canvas.getchannel("A").getextrema() == (0, 0):
        canvas = Image.new("RGBA", canvas.size, _WHITE)
    canvas.putalpha(_OPAQUE)
    for level in reversed(levels):
        canvas = canvas.resize(level.size, Image.Resampling.BILINEAR)
        canvas.alpha_composite(level)
    return canvas
