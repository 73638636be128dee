"""Detection of stalled transfers: a slow one is allowed, one that stands still is not."""

LEAST_BYTES = 4096
"""Least number of bytes per period."""


class Progress:
    """Progress of one transfer, observed by its running total."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._since = self._total = 0.0

    def restart(self, now: float, total_bytes: int) -> None:
        """Start a new period."""
        self._since, self._total = now, total_bytes

    def is_stalled(self, now: float, total_bytes: int) -> bool:
        """Return true once a whole period moved too little; after one that did not, start anew."""
        if now - self._since < self._period_s:
            return False
        if total_bytes - self._total < LEAST_BYTES:
            return True
        self.restart(now, total_bytes)
        return False
