"""Rendering of a frame: crop, resample to the result's size, pad outside the picture.

Padding is transparent in pictures with alpha. Otherwise it has one colour: the median of those
picture edges that the padding touches, without the subject.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.protocols import Box

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_Sides = tuple[bool, bool, bool, bool]
_ALL_SIDES: _Sides = (True, True, True, True)
_NOTHING = Box(0, 0, 0, 0)


def render(
    picture: Image.Image,
    frame: Box,
    size: tuple[int, int],
    resampling: str,
    subject: Box | None = None,
) -> Image.Image:
    """Render the part of a picture that a frame shows.

    Args:
        picture: RGB or RGBA.
        frame: in pixels of the picture; overlaps it, and may extend beyond it.
        size: width and height of the result, in pixels.
        resampling: nearest, bilinear, bicubic or lanczos.
        subject: its box, if known; the padding colour is taken from outside it.
    """
    left, right = _visible(frame.left, frame.right, picture.width)
    top, bottom = _visible(frame.top, frame.bottom, picture.height)
    x0, x1 = _landing(left, right, frame.left, frame.right, size[0])
    y0, y1 = _landing(top, bottom, frame.top, frame.bottom, size[1])
    source = (left, top, right, bottom)
    if (x1 - x0, y1 - y0) == (right - left, bottom - top) and source == tuple(map(int, source)):
        part = picture.crop((int(left), int(top), int(right), int(bottom)))
    else:
        part = picture.resize((x1 - x0, y1 - y0), _FILTERS[resampling], box=source)
    if part.size == size:
        return part
    sides = (x0 > 0, y0 > 0, x1 < size[0], y1 < size[1])
    canvas = Image.new(picture.mode, size, _padding(picture, sides, subject or _NOTHING))
    canvas.paste(part, (x0, y0))
    return canvas


def _visible(start: float, end: float, length: int) -> tuple[float, float]:
    return max(0.0, start), min(float(length), end)


def _landing(
    start: float, end: float, frame_start: float, frame_end: float, length: int
) -> tuple[int, int]:
    """Return the range of result pixels that the visible part covers: at least one pixel."""
    scale = length / (frame_end - frame_start)
    first = min(round((start - frame_start) * scale), length - 1)
    return first, max(first + 1, round((end - frame_start) * scale))


def _padding(picture: Image.Image, sides: _Sides, subject: Box) -> tuple[int, ...]:
    """Return the colour for padding at the given sides (left, top, right, bottom).

    If the subject covers all of these edges, the other edges decide; if it covers every edge, its
    own pixels do.
    """
    if picture.mode == "RGBA":
        return (0, 0, 0, 0)
    pixels = _edges(picture, sides, subject)
    if not len(pixels):
        pixels = _edges(picture, _ALL_SIDES, subject)
    if not len(pixels):
        pixels = _edges(picture, sides, _NOTHING)
    red, green, blue = np.median(pixels, axis=0).round().astype(int).tolist()
    return (red, green, blue)


def _edges(picture: Image.Image, sides: _Sides, subject: Box) -> NDArray[np.uint8]:
    """Return the pixels along the given edges, N × 3, without those that the subject touches."""
    width, height = picture.size
    left, top, right, bottom = map(int, subject)
    strips = (
        ((0, 0, 1, height), left <= 0, (top, bottom)),
        ((0, 0, width, 1), top <= 0, (left, right)),
        ((width - 1, 0, width, height), right >= width, (top, bottom)),
        ((0, height - 1, width, height), bottom >= height, (left, right)),
    )
    found = [np.empty((0, 3), np.uint8)]
    for is_asked, (strip, is_touched, (first, last)) in zip(sides, strips, strict=True):
        if is_asked:
            pixels = np.asarray(picture.crop(strip)).reshape(-1, 3)
            found.append(np.delete(pixels, slice(first, last), axis=0) if is_touched else pixels)
    return np.concatenate(found)
