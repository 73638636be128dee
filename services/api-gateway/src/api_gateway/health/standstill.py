"""What the probes say of runs that stand still, which Temporal is not asked at every probe."""

import asyncio
import time
from contextlib import suppress

from temporalio.client import Client

from shared.temporal.queues import TemporalDownError
from shared.temporal.stuck_runs import StuckRuns, count_stuck_runs

_FRESH_S = 15.0


class StandstillWatch:
    """Remembers the last answer.

    Args:
        client: Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._known: StuckRuns | None = None
        self._asked_at = -_FRESH_S

    async def latest(self, *, within_s: float) -> StuckRuns | None:
        """How things stand, a few seconds ago at most; none where Temporal does not say."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_S:
                self._known = None
                with suppress(TemporalDownError, TimeoutError):
                    async with asyncio.timeout(within_s):
                        self._known = await count_stuck_runs(self._client)
                self._asked_at = time.monotonic()
        return self._known
