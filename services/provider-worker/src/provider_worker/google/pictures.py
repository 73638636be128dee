"""Pictures as Gemini gets them: within a size limit of the whole request. Pure functions."""

import io
import math
from collections.abc import Sequence

from PIL import Image

from provider_worker.png import upright
from provider_worker.source_pictures import SourcePicture

_JPEG_QUALITY = 95
_JPEG, _PNG = "image/jpeg", "image/png"
_SMALLEST = 256
_MARGIN = 0.9
_LEAST_FACTOR = 0.25


def byte_limit(sizes: Sequence[int], budget: int) -> int:
    """Return the largest limit of a picture with which all fit into a budget, in bytes.

    Small pictures leave their share to the large ones.
    """
    left = budget
    waiting = sorted(sizes)
    for index, size in enumerate(waiting):
        share = left // (len(waiting) - index)
        if size > share:
            return share
        left -= size
    return max(sizes, default=budget)


def fitted(picture: SourcePicture, max_bytes: int) -> tuple[bytes, str]:
    """Return a picture's file and type; one that is too large is encoded anew, and scaled down.

    Such a picture is a JPEG, or a PNG if it has transparent parts.

    Raises:
        ImageRefusedError: it is damaged.
    """
    if len(picture.content) <= max_bytes:
        return picture.content, picture.content_type
    image = upright(picture.content)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    # A colour profile describes the picture's own channels.
    profile = image.info.get("icc_profile") if image.mode.startswith("RGB") else None
    image = image if image.mode == mode else image.convert(mode)
    image.info.clear()
    while True:
        content = _encoded(image, profile)
        if len(content) <= max_bytes or max(image.size) <= _SMALLEST:
            return content, _PNG if mode == "RGBA" else _JPEG
        factor = max(_LEAST_FACTOR, _MARGIN * math.sqrt(max_bytes / len(content)))
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, "PNG", compress_level=3, icc_profile=profile)
    else:
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY, icc_profile=profile)
    return buffer.getvalue()
