"""A picture and the mask of its subject become a cut-out without its background's colour."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inference_worker.vision.protocols import SubjectSegmenter

_WHITE = (255, 255, 255)
_WINDOW_SHARE = 1 / 12
"""Side of the window in which a soft pixel looks for the subject's colour, over the longer side."""
_LEAST_WINDOW, _LARGEST_WINDOW = 9, 91
_LITTLE = 1e-3


def cut_out(picture: Image.Image, segmenter: SubjectSegmenter) -> Image.Image:
    """What the picture is about, in RGBA; what was transparent before stays so.

    Args:
        picture: RGB or RGBA, upright.
        segmenter: finds the subject.
    """
    given = picture.getchannel("A") if picture.mode == "RGBA" else None
    colours = np.asarray(_on_white(picture))
    alpha = segmenter.subject_mask(colours)
    if given is not None:
        alpha *= np.asarray(given, np.float32) / 255
        colours = np.asarray(picture)[..., :3]
    levels = np.rint(alpha * 255).astype(np.uint8)
    subject = _subject_colours(colours, levels)
    return Image.fromarray(np.dstack([subject, levels]))


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    flat = Image.new("RGB", picture.size, _WHITE)
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat


def _subject_colours(colours: NDArray[np.uint8], levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The subject's own colours: opaque pixels as they are, black where there is no subject.

    A pixel on a soft edge was photographed as a mix with what lies behind it. The mix is undone by
    one pass of blur fusion (Forte: Approximate Fast Foreground Colour Estimation, ICIP 2021).
    """
    result = np.where(levels[..., None] > 0, colours, 0).astype(np.uint8)
    is_soft = (levels > 0) & (levels < 255)
    if not is_soft.any():
        return result
    share = round(max(levels.shape) * _WINDOW_SHARE) | 1
    window = min(_LARGEST_WINDOW, max(_LEAST_WINDOW, share))
    for rows in _bands(is_soft, window):
        near = slice(max(0, rows.start - window), rows.stop + window)
        inner = slice(rows.start - near.start, rows.stop - near.start)
        alpha = levels[near].astype(np.float32)[..., None] / np.float32(255)
        colour = colours[near].astype(np.float32)
        fused = _fused(colour, alpha, window)[inner]
        np.copyto(result[rows], fused, where=is_soft[rows][..., None])
    return result


def _bands(is_soft: NDArray[np.bool_], window: int) -> list[slice]:
    """Rows in which there are soft pixels, some at a time, so that memory stays small."""
    height = max(256, 4 * window)
    bands = [slice(top, min(top + height, len(is_soft))) for top in range(0, len(is_soft), height)]
    return [band for band in bands if is_soft[band].any()]


def _fused(
    colour: NDArray[np.float32], alpha: NDArray[np.float32], window: int
) -> NDArray[np.uint8]:
    smooth = cast("Any", ndimage).uniform_filter
    size = (window, window, 1)
    share = smooth(alpha, size)
    front = smooth(colour * alpha, size) / np.maximum(share, _LITTLE)
    behind = smooth(colour * (1 - alpha), size) / np.maximum(1 - share, _LITTLE)
    fused = front + alpha * (colour - alpha * front - (1 - alpha) * behind)
    return np.rint(np.clip(fused, 0, 255)).astype(np.uint8)
