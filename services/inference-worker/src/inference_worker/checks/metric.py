"""What a metric is, and when its score passes."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""[H, W, 3]"""


class ConsistencyMetric(Protocol):
    """A score for two pictures, and which scores pass."""

    @property
    def name(self) -> str:
        """Also the field of `Scores` that takes the score."""
        ...

    @property
    def threshold(self) -> float: ...

    @property
    def is_similarity(self) -> bool:
        """True: passes at or above its threshold; false, a distance: at or below."""
        ...

    @property
    def weights(self) -> str | None:
        """Which network judges, for the record; none: there is no network."""
        ...

    def scores(self, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> list[float]:
        """One score for each source and its edit, which are of one size; all in one batch."""
        ...

    def difference(self, source: Pixels, edited: Pixels) -> NDArray[np.float32] | None:
        """Where the two differ, [H, W], 0 where they do not; none: the metric says no places."""
        ...


def margin(metric: ConsistencyMetric, score: float) -> float:
    """How far a score is on the right side of its threshold; negative: it fails."""
    return score - metric.threshold if metric.is_similarity else metric.threshold - score


def worst_margin(metrics: Sequence[ConsistencyMetric], scores: Sequence[float]) -> float:
    """The margin that decides: a tile passes if none is negative."""
    return min((margin(m, s) for m, s in zip(metrics, scores, strict=True)), default=0.0)
