"""The protocol of a consistency metric, and the margins of scores over thresholds."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""[H, W, 3]"""


class ConsistencyMetric(Protocol):
    """A score for a source and its edit, with the threshold that passes."""

    @property
    def name(self) -> str:
        """Name of the metric, and of its field in `Scores`."""
        ...

    @property
    def threshold(self) -> float: ...

    @property
    def is_similarity(self) -> bool:
        """True: passes at or above its threshold; False, a distance: at or below."""
        ...

    @property
    def weights(self) -> str | None:
        """Name of the network, for the record; None for a metric without a network."""
        ...

    def scores(self, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> list[float]:
        """Score each source against its edit, all of one size, in one batch."""
        ...

    def difference(self, source: Pixels, edited: Pixels) -> NDArray[np.float32] | None:
        """Return the map of differences [H, W], 0 for no difference; None if it has none."""
        ...


def margin(metric: ConsistencyMetric, score: float) -> float:
    """Return the distance from score to threshold; negative if the score fails."""
    return score - metric.threshold if metric.is_similarity else metric.threshold - score


def worst_margin(metrics: Sequence[ConsistencyMetric], scores: Sequence[float]) -> float:
    """Return the smallest margin, which decides: a tile passes if it is not negative."""
    return min((margin(m, s) for m, s in zip(metrics, scores, strict=True)), default=0.0)
