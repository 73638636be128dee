"""Whether an edited tile still shows what its source shows.

A threshold of 0 switches a metric off, and then nothing of it is loaded.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity  # pyright: ignore[reportUnknownVariableType]

from inference_worker.refinement.blend import Pixels
from shared.contracts.refinement import TiledRefinerConfig
from shared.errors import InvalidInputError

_structural_similarity = cast(Callable[..., Any], structural_similarity)


class ConsistencyMetric(Protocol):
    """A score for two pictures, and which scores pass."""

    @property
    def name(self) -> str:
        """Also the field of `TileReport` that takes the score."""
        ...

    @property
    def threshold(self) -> float: ...

    @property
    def is_similarity(self) -> bool:
        """True: passes at or above its threshold; false, a distance: at or below."""
        ...

    def score(self, source: Pixels, edited: Pixels) -> float: ...


class Ssim:
    """Structural similarity of luma, 1 for equal pictures (Wang et al. 2004)."""

    name = "ssim"
    is_similarity = True

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def score(self, source: Pixels, edited: Pixels) -> float:
        return float(_structural_similarity(_luma(source), _luma(edited), data_range=255))


def metrics_for(config: TiledRefinerConfig) -> list[ConsistencyMetric]:
    """The metrics that a configuration switches on.

    Raises:
        InvalidInputError: it asks for one that this worker does not have.
    """
    for field in ("lpips_threshold", "dists_threshold"):
        if getattr(config, field):
            raise InvalidInputError(
                f"provider_config.{field}: this metric is not available on local workers yet;"
                " leave it at 0 and use ssim_threshold"
            )
    return [Ssim(config.ssim_threshold)] if config.ssim_threshold else []


def margin(metric: ConsistencyMetric, score: float) -> float:
    """How far a score is on the right side of its threshold; negative: it fails."""
    return score - metric.threshold if metric.is_similarity else metric.threshold - score


def worst_margin(metrics: Sequence[ConsistencyMetric], scores: Sequence[float]) -> float:
    """The margin that decides: a tile passes if none is negative."""
    return min((margin(m, s) for m, s in zip(metrics, scores, strict=True)), default=0.0)


def _luma(pixels: Pixels) -> Any:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
