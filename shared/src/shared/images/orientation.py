"""How a picture is to be turned: as browsers and other viewers do it."""

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
    """Return how a picture's own EXIF turns it; none where it lies right, or says nothing readable.

    Viewers follow EXIF alone, and only where it stands before the pixels: Pillow would also follow
    XMP, and EXIF that ImageMagick has put into a PNG's text.

    Args:
        image: just opened, its pixels not read yet.
    """
    encoded: object = image.info.get("exif")
    if not isinstance(encoded, bytes):
        return None
    exif = Image.Exif()
    # Pillow's readers meet hostile bytes with any of these.
    try:
        exif.load(encoded)
        value: object = exif.get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, struct.error):
        return None
    return _TURNS.get(value) if isinstance(value, int) else None
