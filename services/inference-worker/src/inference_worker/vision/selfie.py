"""MediaPipe's selfie segmentation of people, in a few milliseconds."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference_worker.vision.guided_filter import guided_mask
from inference_worker.vision.litert_model import LiteRtModel
from inference_worker.vision.resizing import resize_map, resize_picture, shrink_size

_SIDE = 256
_LONGEST = 640
"""Longer side at which the mask is aligned to edges; it is enlarged smoothly."""


class SelfieSegmenter:
    """`PersonSegmenter` by MediaPipe's selfie segmentation.

    Args:
        path: selfie_segmentation.tflite.
        threads: CPU threads of one run.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self._model = LiteRtModel(path, threads=threads)

    def person_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the share of people in each pixel: H × W, 0 to 1."""
        height, width = picture.shape[:2]
        small = resize_picture(picture, shrink_size((width, height), _LONGEST))
        tensor = resize_picture(small, (_SIDE, _SIDE)).astype(np.float32)[None] / np.float32(255)
        mask = self._model.run(tensor)[0][0, ..., 0]
        return resize_map(guided_mask(mask, small, longest=_LONGEST), (width, height))
