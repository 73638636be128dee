"""Frames of pictures for a model of fixed aspect ratios: padded before an edit, cut out after it.

Pure, on pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from inference_worker.refinement.resolution import RESAMPLING
from shared.contracts.gemini_images import RATIOS, canonical_size


@dataclass(frozen=True)
class Frame:
    """A frame around a picture, in the picture's pixels.

    Attributes:
        ratio: its aspect ratio, by the model's name of it: `3:4`.
        size: its width and height.
        box: the picture's place in it: left, top, right, bottom.
    """

    ratio: str
    size: tuple[int, int]
    box: tuple[int, int, int, int]

    def pad(self, picture: Image.Image) -> Image.Image:
        """Return an RGB picture in its frame; the rest mirrors it."""
        left, top, right, bottom = self.box
        width, height = self.size
        margins = ((top, height - bottom), (left, width - right), (0, 0))
        return Image.fromarray(np.pad(np.asarray(picture), margins, mode="symmetric"))

    def cut_out(self, edited: Image.Image) -> Image.Image:
        """Return the picture's part of an edited frame of any size, at the picture's own size."""
        across, down = edited.width / self.size[0], edited.height / self.size[1]
        left, top, right, bottom = self.box
        if edited.size == self.size:
            return edited.crop(self.box)
        box = (left * across, top * down, right * across, bottom * down)
        return edited.resize((right - left, bottom - top), RESAMPLING, box=box)


def frame_of(size: tuple[int, int], model: str) -> Frame:
    """Return the frame with the least padding around a picture.

    Args:
        size: width and height of the picture.
        model: the model's id; its own sizes differ a little from the nominal ratios.
    """
    frames = [(ratio, _around(size, canonical_size(model, ratio))) for ratio in RATIOS]
    ratio, (width, height) = min(frames, key=lambda each: each[1][0] * each[1][1])
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    return Frame(ratio, (width, height), (left, top, left + size[0], top + size[1]))


def _around(size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest size of a shape that contains another size."""
    return (
        max(size[0], math.ceil(size[1] * shape[0] / shape[1])),
        max(size[1], math.ceil(size[0] * shape[1] / shape[0])),
    )
