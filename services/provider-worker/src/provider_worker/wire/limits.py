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
        within: a limit that counts these requests together with others.
        now: clock in seconds.
    """

    def __init__(
        self,
        per_second: float,
        burst: int = 1,
        *,
        within: "RateLimit | None" = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = 1 / per_second if per_second > 0 else 0.0
        self._burst = burst
        self._within = within
        self._now = now
        self._next = -float("inf")
        """Time of the next request if the bucket were empty: the theoretical arrival time of GCRA
        (ITU-T I.371)."""

    def reserve(self, *, max_wait_s: float = float("inf")) -> float:
        """Take the next turn and return the seconds until it.

        Raises:
            CrowdedError: the wait would be longer than `max_wait_s`; nothing was taken.
        """
        limits = [self, *([self._within] if self._within else [])]
        waits = [each.wait_s() for each in limits]
        wait_s = max(waits)
        if wait_s > max_wait_s:
            raise CrowdedError(f"the rate limit of this worker permits it in {wait_s:.0f} s")
        for each, own_s in zip(limits, waits, strict=True):
            each.take(own_s)
        return max(wait_s, 0.0)

    async def turn(self, *, max_wait_s: float = float("inf")) -> None:
        """Wait until a request may be sent.

        Raises:
            CrowdedError: the wait would be longer than `max_wait_s`; nothing was taken.
        """
        if (wait_s := self.reserve(max_wait_s=max_wait_s)) > 0:
            await asyncio.sleep(wait_s)

    def wait_s(self) -> float:
        """Return the seconds until the next request may be sent; negative: since when it may."""
        now = self._now()
        earliest = now - self._burst * self._interval_s
        return max(self._next, earliest) + self._interval_s - now

    def take(self, wait_s: float) -> None:
        """Take the turn that comes in so many seconds."""
        self._next = self._now() + wait_s
