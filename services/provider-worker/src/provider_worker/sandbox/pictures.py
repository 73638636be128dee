"""Real pictures: edited copies of the source, or a gradient for a prompt."""

import colorsys
import hashlib
import io

from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from provider_worker.sandbox.orders import Order, Size

_TINT = 0.2
_DOT = 1 / 24
_LARGEST = 120_000_000
"""Pixels; a larger source is refused."""


class BadPictureError(Exception):
    """A source is no picture that can be read."""


def decode(content: bytes) -> Image.Image:
    """Return an upright picture.

    Raises:
        BadPictureError: the content is no picture.
    """
    try:
        opened = Image.open(io.BytesIO(content))
        if opened.width * opened.height > _LARGEST:
            raise BadPictureError("the picture is too large")
        upright = ImageOps.exif_transpose(opened)
        return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadPictureError("no picture could be read") from error


def size_of(content: bytes) -> Size:
    """Return a picture's size without decoding it.

    Raises:
        BadPictureError: the content is no picture.
    """
    try:
        return Image.open(io.BytesIO(content)).size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadPictureError("no picture could be read") from error


def draw(order: Order, source: Image.Image | None, index: int) -> Image.Image:
    """Return the picture number `index` of an order."""
    size = order.size_of(source.size if source else None)
    if source is None:
        picture = _gradient(size, f"{order.prompt}|{order.seed}|{index}")
    else:
        picture = source if source.size == size else source.resize(size, Image.Resampling.LANCZOS)
        if not is_identity(order):
            picture = _tinted(picture, f"{order.seed}|{index}")
    return _dotted(picture, order.dots)


def is_identity(order: Order) -> bool:
    """Tell whether an order leaves its source as it is: for the seeds 0, 1000, 2000 and so on."""
    return order.seed is not None and order.seed % 1000 == 0


def encode(picture: Image.Image, kind: str) -> bytes:
    """Return a picture as a file."""
    buffer = io.BytesIO()
    if kind == "JPEG":
        picture.convert("RGB").save(buffer, "JPEG", quality=95)
    elif kind == "WEBP":
        picture.save(buffer, "WEBP", quality=95)
    else:
        picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _colour(name: str) -> tuple[int, int, int]:
    hue, lightness = hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:2]
    shades = colorsys.hls_to_rgb(hue / 256, 0.3 + lightness / 640, 0.7)
    red, green, blue = (round(255 * shade) for shade in shades)
    return red, green, blue


def _gradient(size: Size, name: str) -> Image.Image:
    """Return a picture that runs from one colour to another, both by name."""
    mask = Image.linear_gradient("L").resize(size)
    first, second = (Image.new("RGB", size, _colour(f"{name}|{end}")) for end in "ab")
    return Image.composite(first, second, mask)


def _tinted(picture: Image.Image, name: str) -> Image.Image:
    tint = Image.new(picture.mode, picture.size, _colour(name))
    blended = Image.blend(picture, tint, _TINT)
    if picture.mode == "RGBA":
        blended.putalpha(picture.getchannel("A"))
    return blended


def _dotted(picture: Image.Image, dots: int) -> Image.Image:
    if not dots:
        return picture
    drawn = picture.copy()
    pen, side = ImageDraw.Draw(drawn), max(2, round(min(picture.size) * _DOT))
    for number in range(dots):
        left = side + 2 * side * number
        pen.ellipse((left, side, left + side, 2 * side), fill="white", outline="black")
    return drawn
