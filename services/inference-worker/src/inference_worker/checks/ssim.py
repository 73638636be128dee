"""Structural similarity of luma (Wang et al. 2004), by scikit-image."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity  # pyright: ignore[reportUnknownVariableType]

from inference_worker.checks.metric import Pixels

_structural_similarity = cast(Callable[..., Any], structural_similarity)


class Ssim:
    """`ConsistencyMetric` by SSIM: 1 for equal pictures."""

    name = "ssim"
    is_similarity = True
    weights = None

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def scores(self, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> list[float]:
        return [
            float(_structural_similarity(_luma(source), _luma(edited), data_range=255))
            for source, edited in zip(sources, edits, strict=True)
        ]

    def difference(self, source: Pixels, edited: Pixels) -> NDArray[np.float32]:
        _, similarity = _structural_similarity(
            _luma(source), _luma(edited), data_range=255, full=True
        )
        return np.clip(1 - similarity, 0, 1).astype(np.float32)


def _luma(pixels: Pixels) -> Any:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
