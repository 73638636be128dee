"""Progress of a refinement, summed over the steps of concurrent tiles."""

import threading
from collections.abc import Callable

_BLEND_SHARE = 0.05
"""Share left for composing the picture, whose end the caller reports."""


class RefineProgress:
    """Counter of tiles and steps. Thread-safe; the reported progress never decreases.

    Args:
        num_tiles: number of tiles.
        report: called with fractions from 0 to 1.
    """

    def __init__(self, num_tiles: int, report: Callable[[float], None]) -> None:
        self._done = [0.0] * num_tiles
        self._report = report
        self._lock = threading.Lock()

    def step(self, tile: int, done: int, steps: int) -> None:
        """Count a finished denoise step of a tile; a retry does not reduce the progress."""
        # The rest of a tile's share is for its check and for retries.
        self._advance(tile, 0.9 * done / steps)

    def finish_tile(self, tile: int) -> None:
        """Count a finished tile."""
        self._advance(tile, 1.0)

    def _advance(self, tile: int, fraction: float) -> None:
        with self._lock:
            self._done[tile] = max(self._done[tile], fraction)
            # Reported under the lock, so that a smaller sum never overtakes a larger one.
            self._report((1 - _BLEND_SHARE) * sum(self._done) / len(self._done))
