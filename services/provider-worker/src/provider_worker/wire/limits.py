"""Limits on the rate of requests to a provider, for one process."""

import asyncio
import time
from collections.abc import Callable

from shared.errors import CrowdedError


class RateLimit:
    """A token bucket: `burst` requests at once, then `per_second` on average.

    Waiting requests are served in the order in which they came.

    Args:
        per_second: the sustained rate; 0: unlimited.
        burst: the size of the bucket.
        now: clock in seconds.
    """

    def __init__(
        self, per_second: float, burst: int = 1, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = 1 / per_second if per_second > 0 else 0.0
        self._burst = burst
        self._now = now
        self._next = -float("inf")
        """Time of the next request if the bucket were empty: the theoretical arrival time of GCRA
        (ITU-T I.371)."""

    def reserve(self, *, max_wait_s: float = float("inf")) -> float:
        """Take the next turn and return the seconds until it.

        Raises:
            CrowdedError: the wait would be longer than `max_wait_s`; nothing was taken.
        """
        now = self._now()
        reserved = max(self._next, now - self._burst * self._interval_s) + self._interval_s
        wait_s = max(reserved - now, 0.0)
        if wait_s > max_wait_s:
            raise CrowdedError(f"the rate limit of this worker permits it in {wait_s:.0f} s")
        self._next = reserved
        return wait_s

    async def turn(self, *, max_wait_s: float = float("inf")) -> None:
        """Wait until a request may be sent.

        Raises:
            CrowdedError: the wait would be longer than `max_wait_s`; nothing was taken.
        """
        if (wait_s := self.reserve(max_wait_s=max_wait_s)) > 0:
            await asyncio.sleep(wait_s)
