"""Task queues without pollers, cached for a few seconds."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from shared.contracts.enums import TaskQueue
from shared.temporal.pollers import count_activity_pollers

_FRESH_S = 10.0
_WITHIN_S = 1.0
_POLLED_WITHIN = timedelta(seconds=75)
"""Longer than a poll without a task, which lasts a minute."""


class QueueWatch:
    """Cache of which task queues have no poller.

    Args:
        client: Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._known: dict[TaskQueue, tuple[float, bool]] = {}

    async def unpolled(self, queues: Iterable[TaskQueue]) -> frozenset[TaskQueue]:
        """Return the task queues that no worker polls; unknown ones count as polled."""
        asked = frozenset(queues)
        async with self._lock:
            stale = [queue for queue in asked if not self._is_fresh(queue)]
            for queue, is_abandoned in zip(
                stale, await asyncio.gather(*map(self._ask, stale)), strict=True
            ):
                self._known[queue] = time.monotonic(), is_abandoned
        return frozenset(queue for queue in asked if self._known[queue][1])

    def _is_fresh(self, queue: TaskQueue) -> bool:
        known = self._known.get(queue)
        return known is not None and time.monotonic() - known[0] < _FRESH_S

    async def _ask(self, queue: TaskQueue) -> bool:
        # RuntimeError: the first connection of a lazy client failed.
        with suppress(RPCError, RuntimeError, TimeoutError):
            async with asyncio.timeout(_WITHIN_S):
                polled = await count_activity_pollers(self._client, queue, within=_POLLED_WITHIN)
                return not polled
        return False
