"""How far a refinement is, from the steps of many tiles at once."""

import threading
from collections.abc import Callable

_BLEND_SHARE = 0.05
"""Left for putting the picture together; whoever does that reports the end."""


class RefineProgress:
    """Counts tiles and steps; may be told from any thread. What it reports never falls.

    Args:
        num_tiles: tiles of the grid.
        report: hears fractions from 0 to 1.
    """

    def __init__(self, num_tiles: int, report: Callable[[float], None]) -> None:
        self._done = [0.0] * num_tiles
        self._report = report
        self._lock = threading.Lock()

    def step(self, tile: int, done: int, steps: int) -> None:
        """A denoise step of a tile ended; further tries of the tile do not count back."""
        # The rest of a tile's share is its check, and further tries.
        self._advance(tile, 0.9 * done / steps)

    def finish_tile(self, tile: int) -> None:
        """A tile is done."""
        self._advance(tile, 1.0)

    def _advance(self, tile: int, fraction: float) -> None:
        with self._lock:
            self._done[tile] = max(self._done[tile], fraction)
            # Reported under the lock, so that a smaller sum never overtakes a larger one.
            self._report((1 - _BLEND_SHARE) * sum(self._done) / len(self._done))
