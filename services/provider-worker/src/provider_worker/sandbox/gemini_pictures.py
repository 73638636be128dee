"""Shapes and prices of the pictures of Gemini's models. Pure."""

import math

from provider_worker.sandbox.orders import Size, ratio_of

_SIZES = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:4": (896, 1200),
    "4:5": (928, 1152),
    "9:16": (768, 1376),
    "21:9": (1584, 672),
    "1:4": (512, 2064),
    "1:8": (352, 2928),
}
_SIZES_2_5 = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:4": (864, 1184),
    "4:5": (896, 1152),
    "9:16": (768, 1344),
    "21:9": (1536, 672),
}
_SCALES = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}
_TOKENS = {"512": 747, "1K": 1120, "2K": 1120, "4K": 2000}
_TOKENS_2_5 = 1290


def is_image_model(model: str) -> bool:
    """Tell whether a model makes pictures."""
    return "image" in model


def sizes_of(model: str) -> tuple[str, ...]:
    """Return the values of `imageSize` that a model takes."""
    if "2.5" in model:
        return ()
    if "flash-lite" in model:
        return ("1K",)
    return ("512", "1K", "2K", "4K") if "flash" in model else ("1K", "2K", "4K")


def ratios_of(model: str) -> tuple[str, ...]:
    """Return the values of `aspectRatio` that a model takes."""
    known = [each for each in _table(model) if "3.1-flash" in model or each not in ("1:4", "1:8")]
    turned = [":".join(reversed(each.split(":"))) for each in known if each != "21:9"]
    return tuple(dict.fromkeys([*known, *turned]))


def size_of(model: str, ratio: str | None, image_size: str | None, source: Size | None) -> Size:
    """Return the size of a picture in pixels.

    Args:
        model: the model.
        ratio: as requested; none: that of the source, or a square.
        image_size: as requested; none: 1K.
        source: size of the first picture of the request.
    """
    if ratio is None:
        given = source[0] / source[1] if source else 1
        able = ratios_of(model)
        ratio = min(able, key=lambda each: abs(math.log((ratio_of(each) or 1) / given)))
    table = _table(model)
    turned = ":".join(reversed(ratio.split(":")))
    width, height = table[ratio] if ratio in table else table[turned][::-1]
    scale = 1 if "2.5" in model else _SCALES[image_size or "1K"]
    return round(width * scale), round(height * scale)


def tokens_of(model: str, image_size: str | None) -> int:
    """Return the tokens that a picture costs."""
    return _TOKENS_2_5 if "2.5" in model else _TOKENS[image_size or "1K"]


def _table(model: str) -> dict[str, Size]:
    return _SIZES_2_5 if "2.5" in model else _SIZES
