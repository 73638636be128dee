"""Orientation of a picture by its EXIF, as browsers and other viewers apply it."""

import struct

from PIL import Image

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def exif_transposition(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition in a picture's EXIF; none if it is upright or has no readable EXIF.

    Viewers only use EXIF, and only if it precedes the pixels. Pillow also uses XMP, and EXIF in a
    PNG's text chunks as ImageMagick writes it.

    Args:
        image: just opened, with its pixels not loaded yet.
    """
    encoded: object = image.info.get("exif")
    if not isinstance(encoded, bytes):
        return None
    exif = Image.Exif()
    # Pillow's readers raise any of these on malformed data.
    try:
        exif.load(encoded)
        value: object = exif.get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error):
        return None
    return _TURNS.get(value) if isinstance(value, int) else None
