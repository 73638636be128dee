"""Detection of stalled transfers: slow ones are allowed, stalled ones are not."""

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
        """Return whether a whole period moved too few bytes; start a new period if not."""
        if now - self._since < self._period_s:
            return False
        if total_bytes - self._total < LEAST_BYTES:
            return True
        self.restart(now, total_bytes)
        return False
