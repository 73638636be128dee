"""Cut-outs: the subject of a picture as RGBA, its edges free of the background's colour."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inference_worker.vision.box_means import Planes, box_means
from inference_worker.vision.protocols import SubjectSegmenter
from inference_worker.vision.resizing import resize_map, resize_picture, shrink_size
from shared.pixels.images import on_white

_WINDOW_SHARE = 1 / 12
"""Side of the window in which the subject's colour is estimated, over the longer side."""
_LEAST_WINDOW = 9
_LONGEST = 1024
_EPSILON = 1e-3
_STRIP_PIXELS = 131_072
"""Pixels per strip: bounds memory if all of them are soft."""


def cut_out(picture: Image.Image, segmenter: SubjectSegmenter) -> Image.Image:
    """Return the picture's subject as RGBA; transparent pixels stay transparent.

    Translucent pixels keep their colour, except at soft edges of the subject.

    Args:
        picture: RGB or RGBA, upright.
        segmenter: finds the subject.
    """
    mask = segmenter.subject_mask(np.asarray(on_white(picture)))
    levels = np.rint(mask * 255).astype(np.uint8)
    colours = np.asarray(picture)[..., :3]
    if picture.mode != "RGBA":
        return Image.fromarray(np.dstack([_subject_colours(colours, levels), levels]))
    given = np.asarray(picture.getchannel("A"))
    subject = _subject_colours(colours, levels, given)
    seen = np.rint(mask * given).astype(np.uint8)
    subject[seen == 0] = 0
    return Image.fromarray(np.dstack([subject, seen]))


def _subject_colours(
    colours: NDArray[np.uint8], levels: NDArray[np.uint8], given: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the subject's own colours: inner pixels unchanged, black outside the subject.

    A pixel on a soft edge is a mix of the subject and its background. One pass of blur fusion
    (Forte: Approximate Fast Foreground Colour Estimation, ICIP 2021) separates them. Its blurs are
    smooth, so they are computed at a reduced size.

    Args:
        colours: of the picture, H × W × 3.
        levels: H × W, share of the subject in each pixel, 0 to 255.
        given: H × W, the picture's alpha, 0 to 255; hidden pixels contribute no colour. None:
            opaque.
    """
    result = np.where(levels[..., None] > 0, colours, 0).astype(np.uint8)
    soft = (levels > 0) & (levels < 255)
    if not soft.any():
        return result
    height, width = levels.shape
    size = shrink_size((width, height), _LONGEST)
    weights = [_unit(level, size) for level in (levels, 255 - levels)]
    if given is not None:
        weights = [weight * _unit(given, size) for weight in weights]
    small = resize_picture(colours, size)
    fields = _means_around(small, weights)
    strip = max(1, _STRIP_PIXELS // width)
    for first in range(0, height, strip):
        rows, columns = np.nonzero(soft[first : first + strip])
        rows += first
        front, behind = (_sampled(field, rows, columns, (width, height)) for field in fields)
        alpha = levels[rows, columns].astype(np.float32)[:, None] / np.float32(255)
        seen = colours[rows, columns].astype(np.float32)
        fused = front + alpha * (seen - alpha * front - (1 - alpha) * behind)
        result[rows, columns] = np.rint(np.clip(fused, 0, 255))
    return result


def _sampled(
    field: Planes, rows: NDArray[np.intp], columns: NDArray[np.intp], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Sample a field (h × 3 × w) at pixels of a picture of size (width, height): n × 3."""
    height, _, width = field.shape
    if size == (width, height):
        return field[rows, :, columns]
    places = [(rows + 0.5) * height / size[1] - 0.5, (columns + 0.5) * width / size[0] - 0.5]
    sample = cast("Any", ndimage).map_coordinates
    channels = [sample(field[:, c], places, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=1)


def _unit(levels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale levels to 0 to 1, and resize them to (width, height)."""
    return resize_map(levels.astype(np.float32) / np.float32(255), size)


def _means_around(colours: NDArray[np.uint8], weights: list[NDArray[np.float32]]) -> list[Planes]:
    """Return, for each weight, the weighted mean colour around each pixel: h × 3 × w."""
    window = max(_LEAST_WINDOW, round(max(colours.shape[:2]) * _WINDOW_SHARE) | 1)
    by_channel = colours.transpose(0, 2, 1).astype(np.float32, order="C")
    planes = np.empty((len(colours), 8, by_channel.shape[2]), np.float32)
    for half, weight in zip(np.split(planes, 2, axis=1), weights, strict=True):
        np.multiply(by_channel, weight[:, None], out=half[:, :3])
        half[:, 3] = weight
    means = box_means(planes, window, "reflect")
    return [
        np.divide(half[:, :3], np.maximum(half[:, 3:], _EPSILON), out=half[:, :3])
        for half in np.split(means, 2, axis=1)
    ]
