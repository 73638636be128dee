"""Pictures as FASHN is given them: no taller than the limit. Pure functions."""

import io

from PIL import Image

from provider_worker.png import upright
from provider_worker.source_pictures import SourcePicture

_JPEG_QUALITY = 95
_JPEG, _PNG = "image/jpeg", "image/png"


def fitted(picture: SourcePicture, max_height: int) -> tuple[bytes, str, bool]:
    """Return a picture's file, its type, and true if it was scaled down.

    A picture that is not too tall remains as it is. A scaled one is a JPEG, or a PNG if it has
    transparent parts.

    Raises:
        ImageRefusedError: it is damaged.
    """
    if picture.height <= max_height:
        return picture.content, picture.content_type, False
    image = upright(picture.content)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    # A colour profile describes the picture's own channels.
    profile = image.info.get("icc_profile") if image.mode.startswith("RGB") else None
    image = image if image.mode == mode else image.convert(mode)
    width = max(1, round(image.width * max_height / image.height))
    scaled = image.resize((width, max_height), Image.Resampling.LANCZOS)
    # Pillow's encoders would write the metadata in `info`.
    scaled.info.clear()
    buffer = io.BytesIO()
    if mode == "RGBA":
        scaled.save(buffer, "PNG", compress_level=3, icc_profile=profile)
        return buffer.getvalue(), _PNG, True
    scaled.save(buffer, "JPEG", quality=_JPEG_QUALITY, icc_profile=profile)
    return buffer.getvalue(), _JPEG, True
