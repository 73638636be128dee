"""Pictures as language models are shown them: at most 1568 pixels long, JPEG. Pure functions."""

import io

from PIL import Image

from provider_worker.llm.chat import Picture
from provider_worker.png import upright
from provider_worker.source_pictures import SourcePicture

LONGEST_SIDE = 1568
"""Vendors scale larger pictures down themselves, after they were sent."""
_QUALITY = 90
_WHITE = (255, 255, 255)


def scaled(picture: SourcePicture) -> Picture:
    """Return a picture as JPEG, scaled down if it is too large; transparent parts become white.

    Raises:
        ImageRefusedError: it is damaged.
    """
    image = upright(picture.content)
    # A colour profile describes the picture's own channels.
    profile = image.info.get("icc_profile") if image.mode.startswith("RGB") else None
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (*_WHITE, 255))
        image = Image.alpha_composite(ground, image)
    image = image.convert("RGB")
    # Pillow's encoders would write the metadata in `info`.
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, icc_profile=profile)
    return buffer.getvalue(), "image/jpeg"
