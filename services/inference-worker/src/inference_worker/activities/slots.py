"""A limit on those activities of a queue that compute, beside others that mostly wait."""

import asyncio
from collections.abc import Collection
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from shared.temporal.heartbeat import Heartbeat


class ComputingLimit(Interceptor):
    """Lets a limited number of activities compute at a time; the others hold a slot and wait.

    Args:
        places: how many compute at a time.
        waiting: names of the activities that mostly wait, and are not limited.
    """

    def __init__(self, places: int, *, waiting: Collection[str]) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = waiting

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 — the SDK's name
        """Wrap the activity call."""
        return _Limited(next, self._places, self._waiting)


class _Limited(ActivityInboundInterceptor):
    def __init__(
        self,
        following: ActivityInboundInterceptor,
        places: asyncio.Semaphore,
        waiting: Collection[str],
    ) -> None:
        super().__init__(following)
        self._places = places
        self._waiting = waiting

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 — the SDK's name
        if activity.info().activity_type in self._waiting:
            return await self.next.execute_activity(input)
        async with Heartbeat():
            await self._places.acquire()
        try:
            return await self.next.execute_activity(input)
        finally:
            self._places.release()
