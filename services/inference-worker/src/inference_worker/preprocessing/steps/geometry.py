"""The transforms resize, center_crop, pad and flip."""

import numpy as np
from PIL import Image, ImageOps

from inference_worker.preprocessing.steps.step import lanczos, require_area, scaled
from shared.contracts.transforms import CenterCrop, Flip, Pad, Resize

_DEFAULT_SIDE = 1024
_SQUARE = (1, 1)
_EDGE = "edge"


def resize(picture: Image.Image, wanted: Resize, max_pixels: int) -> Image.Image:
    """Scale into, over, or exactly to a size; without `upscale` no side is enlarged."""
    box = wanted.box or (_DEFAULT_SIDE, _DEFAULT_SIDE)
    across, down = box[0] / picture.width, box[1] / picture.height
    if wanted.fit == "exact":
        size = box if wanted.upscale else scaled(box, min(1, 1 / across, 1 / down))
    else:
        factor = min(across, down) if wanted.fit == "inside" else max(across, down)
        size = scaled(picture.size, factor if wanted.upscale else min(1, factor))
    require_area("resize", size, max_pixels)
    return lanczos(picture, size)


def center_crop(picture: Image.Image, wanted: CenterCrop) -> Image.Image:
    """Cut out the largest centred part of an aspect, at most as large as the given size."""
    across, down = wanted.box or _ratio(wanted.aspect)
    factor = min(picture.width / across, picture.height / down)
    if wanted.box is not None:
        factor = min(1, factor)
    width, height = scaled((across, down), factor)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def pad(picture: Image.Image, wanted: Pad, max_pixels: int) -> Image.Image:
    """Centre on a canvas; a picture that is larger than a canvas of given sides is scaled down."""
    if wanted.width is not None and wanted.height is not None:
        canvas = (wanted.width, wanted.height)
        factor = min(1, canvas[0] / picture.width, canvas[1] / picture.height)
        picture = lanczos(picture, scaled(picture.size, factor))
    else:
        across, down = _ratio(wanted.aspect)
        factor = max(picture.width / across, picture.height / down)
        size = scaled((across, down), factor)
        canvas = (max(size[0], picture.width), max(size[1], picture.height))
    require_area("pad", canvas, max_pixels)
    left, top = (canvas[0] - picture.width) // 2, (canvas[1] - picture.height) // 2
    if wanted.color == _EDGE:
        right, bottom = canvas[0] - picture.width - left, canvas[1] - picture.height - top
        widths = ((top, bottom), (left, right), (0, 0))
        return Image.fromarray(np.pad(np.asarray(picture), widths, mode="edge"))
    padded = Image.new("RGB", canvas, wanted.color)
    padded.paste(picture, (left, top))
    return padded


def mirror(picture: Image.Image, wanted: Flip) -> Image.Image:
    """Return the mirror image."""
    return ImageOps.mirror(picture) if wanted.axis == "horizontal" else ImageOps.flip(picture)


def _ratio(aspect: str | None) -> tuple[int, int]:
    if aspect is None:
        return _SQUARE
    across, _, down = aspect.partition(":")
    return int(across), int(down)
