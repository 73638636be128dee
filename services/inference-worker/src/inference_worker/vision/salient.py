"""Segmentation of subjects by the U²-Net family and ISNet, with rembg's pre- and postprocessing.

U²-Net: Qin et al., Pattern Recognition 2020; ISNet (DIS): Qin et al., ECCV 2022.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.guided_filter import guided_mask
from inference_worker.vision.onnx_model import OnnxModel

_LONGEST = 1024
_SMALL_PX = 320
"""Models with larger inputs need gigabytes, which are freed after each run."""
_LEAST_CONTRAST = 0.1
"""Minimum range of the scores, 0 to 1: an empty wall reaches hundredths, a subject nearly 1."""
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SalientInput:
    """The input format of a model.

    Attributes:
        side_px: side of its square input.
        mean: subtracted from each channel.
        deviation: each channel is divided by it.
        is_classes: the output scores classes of garments, the first one being none, instead of
            one map.
    """

    side_px: int
    mean: tuple[float, float, float] = _IMAGENET[0]
    deviation: tuple[float, float, float] = _IMAGENET[1]
    is_classes: bool = False


U2NET = SalientInput(320)
ISNET = SalientInput(1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
U2NET_CLOTH = SalientInput(768, is_classes=True)


class SalientSegmenter:
    """`SubjectSegmenter` by a model of the U²-Net family or ISNet.

    Args:
        path: the model's file.
        expects: the model's input format.
        threads: CPU threads of one run.
    """

    def __init__(self, path: Path, expects: SalientInput, *, threads: int) -> None:
        keeps_memory = expects.side_px <= _SMALL_PX
        self._model = OnnxModel(path, threads=threads, keeps_memory=keeps_memory)
        self._expects = expects

    def subject_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the share of the subject in each pixel: H × W, 0 to 1."""
        return guided_mask(self.coarse_mask(picture), picture, longest=_LONGEST)

    def coarse_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's mask before refinement: side × side, 0 to 1."""
        scores = self._model.run(self._tensor(picture))[0][0]
        if self._expects.is_classes:
            return (scores.argmax(axis=0) > 0).astype(np.float32)
        return _stretched(scores[0])

    def _tensor(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        side = self._expects.side_px
        # Lanczos, and the brightest value scaled to 1, as in rembg's preprocessing.
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
        values = np.asarray(small, np.float32)
        values = values / max(float(values.max()), 1e-6)
        normalised = (values - np.array(self._expects.mean, np.float32)) / np.array(
            self._expects.deviation, np.float32
        )
        return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def _stretched(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch scores to 0 to 1; a map with little contrast has no subject, and becomes 0."""
    low, high = float(scores.min()), float(scores.max())
    if high - low < _LEAST_CONTRAST:
        return np.zeros_like(scores)
    return (scores - low) / (high - low)
