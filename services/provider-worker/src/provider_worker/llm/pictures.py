"""Pictures as language models are shown them: small enough, upright, without metadata. Pure."""

import io

from PIL import Image

from provider_worker.llm.chat import Picture
from provider_worker.png import upright

_LONGEST_SIDE = 1568
"""Pixels; the models scale larger pictures down themselves, and charge them in full."""
_QUALITY = 90
_TYPE = "image/jpeg"


def scaled(content: bytes) -> Picture:
    """Return a picture as a JPEG of at most 1568 pixels a side; transparent parts become white.

    Raises:
        ImageRefusedError: it is damaged.
    """
    image = upright(content)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    image = image.convert("RGB")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue(), _TYPE
