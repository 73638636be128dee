"""Aspect ratios and sizes of Gemini's image models. Pure."""

import math
import re

from shared.contracts.options import Choices

RATIOS = ("1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
IMAGE_SIZES = ("1K", "2K", "4K")
MODEL = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
DEFAULT_IMAGE_MODEL = "gemini-3-pro-image"
DEFAULT_TEXT_MODEL = "gemini-3.1-pro-preview"

Size = tuple[int, int]
_SCALES = {"1K": 1, "2K": 2, "4K": 4}
_TALL: dict[str, Size] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:4": (896, 1200),
    "4:5": (928, 1152),
    "9:16": (768, 1376),
}
_TALL_OF_2_5: dict[str, Size] = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:4": (864, 1184),
    "4:5": (896, 1152),
    "9:16": (768, 1344),
}


def _with_wide(tall: dict[str, Size], widest: Size) -> dict[str, Size]:
    wide = {
        ":".join(reversed(name.split(":"))): (height, width)
        for name, (width, height) in tall.items()
    }
    return tall | wide | {"21:9": widest}


_SIZES = _with_wide(_TALL, (1584, 672))
_SIZES_OF_2_5 = _with_wide(_TALL_OF_2_5, (1536, 672))


def has_fixed_size(model: str) -> bool:
    """Return true if a model takes no image size: Gemini 2.5 Flash Image."""
    return "2.5-flash-image" in model


def image_sizes(model: str) -> tuple[str, ...]:
    """Return the image sizes of a model; of one that is not known, all."""
    is_small = has_fixed_size(model) or "flash-lite" in model
    return IMAGE_SIZES[:1] if is_small else IMAGE_SIZES


def default_image_size(model: str) -> str:
    """Return the image size of a request that names none: 2K where the model has it."""
    sizes = image_sizes(model)
    return "2K" if "2K" in sizes else sizes[-1]


def canonical_size(model: str, ratio: str, image_size: str = "1K") -> Size:
    """Return the width and height in pixels of a model's pictures.

    Args:
        model: the model's id; one that is not known is taken for Gemini 3.
        ratio: one of `RATIOS`.
        image_size: one of `IMAGE_SIZES`; without effect if the model has a fixed size.
    """
    if has_fixed_size(model):
        return _SIZES_OF_2_5[ratio]
    width, height = _SIZES[ratio]
    return width * _SCALES[image_size], height * _SCALES[image_size]


def nearest_ratio(model: str, width: int, height: int) -> str:
    """Return the aspect ratio for a size in pixels.

    A size that the model has itself decides by the table, since the sizes differ from their nominal
    ratios by up to 3 %. For any other, the ratio is nearest by the logarithm.
    """
    for ratio in RATIOS:
        for image_size in image_sizes(model):
            if canonical_size(model, ratio, image_size) == (width, height):
                return ratio
    return min(RATIOS, key=lambda ratio: abs(math.log(width / height / nominal(ratio))))


def nominal(ratio: str) -> float:
    """Return a ratio such as `3:4` as a number, width by height."""
    across, down = map(int, ratio.split(":"))
    return across / down


def model_fault(model: object) -> str | None:
    """Return why a model's id is not admitted, or none."""
    if isinstance(model, str) and MODEL.fullmatch(model):
        return None
    return "must have 1 to 100 letters, digits, dots, hyphens or underscores"


def image_size_fault(model: str, image_size: object) -> str | None:
    """Return why a model does not take an image size, or none."""
    return Choices(image_sizes(model)).fault(image_size)
