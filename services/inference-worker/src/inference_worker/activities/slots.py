"""Limits on those activities of a queue that compute, and on others that mostly wait."""

import asyncio
from collections.abc import Collection
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from shared.temporal.heartbeat import Heartbeat
from shared.temporal.shares import TenantShares, tenant_of_activity


class ComputingLimit(Interceptor):
    """Lets a limited number of activities compute at a time, and of others wait for a provider.

    The first hold a slot and wait for their turn. The others give their slot back, and are tried
    again later: they may wait for hours, and would hold every slot of the worker.

    Args:
        places: how many compute at a time.
        waiting: names of the activities that mostly wait.
        most_waiting: how many of those run at a time; one tenant has at most half of them.
    """

    def __init__(self, places: int, *, waiting: Collection[str], most_waiting: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = waiting
        self._shares = TenantShares(most_waiting)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 — the SDK's name
        """Wrap the activity call."""
        return _Limited(next, self._places, self._waiting, self._shares)


class _Limited(ActivityInboundInterceptor):
    def __init__(
        self,
        following: ActivityInboundInterceptor,
        places: asyncio.Semaphore,
        waiting: Collection[str],
        shares: TenantShares,
    ) -> None:
        super().__init__(following)
        self._places = places
        self._waiting = waiting
        self._shares = shares

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 — the SDK's name
        if activity.info().activity_type in self._waiting:
            async with self._shares.place(tenant_of_activity(), max_wait_s=0):
                return await self.next.execute_activity(input)
        async with Heartbeat():
            await self._places.acquire()
        try:
            return await self.next.execute_activity(input)
        finally:
            self._places.release()
