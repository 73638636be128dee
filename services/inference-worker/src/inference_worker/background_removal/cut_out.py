"""A picture and the mask of its subject become a cut-out without its background's colour."""

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
"""Side of the window in which a soft pixel looks for the subject's colour, over the longer side."""
_LEAST_WINDOW = 9
_LONGEST = 1024
_LITTLE = 1e-3
_STRIP_PIXELS = 131_072
"""Pixels at a time: where all are soft, memory stays bounded."""


def cut_out(picture: Image.Image, segmenter: SubjectSegmenter) -> Image.Image:
    """What the picture is about, in RGBA; what was transparent before stays so.

    What was translucent keeps its colour, except where the subject's own edge is soft.

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
    """The subject's own colours: its inner pixels as they are, black where there is no subject.

    A pixel on a soft edge was photographed as a mix with what lies behind it. The mix is undone by
    one pass of blur fusion (Forte: Approximate Fast Foreground Colour Estimation, ICIP 2021). Its
    blurs are smooth, so that they are found at a moderate size.

    Args:
        colours: of the picture, H × W × 3.
        levels: H × W, how much of each pixel is the subject.
        given: H × W, how opaque the picture is: what is hidden lends no colour; none: wholly.
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
    """A field (h × 3 × w) at pixels of a picture of that width and height: n × 3."""
    height, _, width = field.shape
    if size == (width, height):
        return field[rows, :, columns]
    places = [(rows + 0.5) * height / size[1] - 0.5, (columns + 0.5) * width / size[0] - 0.5]
    sample = cast("Any", ndimage).map_coordinates
    channels = [sample(field[:, c], places, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=1)


def _unit(levels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Levels as 0 to 1, at another width and height."""
    return resize_map(levels.astype(np.float32) / np.float32(255), size)


def _means_around(colours: NDArray[np.uint8], weights: list[NDArray[np.float32]]) -> list[Planes]:
    """For each weight, the weighted mean of the colours around each pixel: h × 3 × w."""
    share = round(max(colours.shape[:2]) * _WINDOW_SHARE) | 1
    lying = colours.transpose(0, 2, 1).astype(np.float32, order="C")
    planes = np.empty((len(colours), 8, lying.shape[2]), np.float32)
    for half, weight in zip(np.split(planes, 2, axis=1), weights, strict=True):
        np.multiply(lying, weight[:, None], out=half[:, :3])
        half[:, 3] = weight
    means = box_means(planes, max(_LEAST_WINDOW, share), "reflect")
    return [
        np.divide(half[:, :3], np.maximum(half[:, 3:], _LITTLE), out=half[:, :3])
        for half in np.split(means, 2, axis=1)
    ]
