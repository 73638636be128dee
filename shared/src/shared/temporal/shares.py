"""Fair sharing of a process's concurrency slots among tenants."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity

from shared.errors import TenantLimitError


class TenantShares:
    """Limits on running and on admitted work, shared among tenants.

    A tenant may take another unit only while it holds fewer than are free. One tenant alone gets
    half of the units, two get a third each, and so on. A new tenant therefore always finds a free
    unit, however much the others request. Running work is never interrupted.

    Args:
        places: maximal amount of running work.
        slots: maximal amount of admitted work, running or waiting to run; default: unlimited.
    """

    def __init__(self, places: int, slots: float = math.inf) -> None:
        self._running = _Units(places)
        self._admitted = _Units(slots)
        self._waiting: dict[asyncio.Future[None], str] = {}

    @asynccontextmanager
    async def place(self, tenant: str, *, max_wait_s: float | None = None) -> AsyncGenerator[None]:
        """Hold the right to run, once the tenant's share allows it.

        Args:
            tenant: name of the tenant.
            max_wait_s: timeout of the wait in seconds; none: no timeout.

        Raises:
            TenantLimitError: the tenant's share of admitted work is used up, or the wait timed out.
        """
        if not self._admitted.may_acquire(tenant):
            raise TenantLimitError
        self._admitted.acquire(tenant)
        try:
            await self._wait_to_run(tenant, max_wait_s)
            try:
                yield
            finally:
                self._running.release(tenant)
                self._start_waiting()
        finally:
            self._admitted.release(tenant)

    async def _wait_to_run(self, tenant: str, max_wait_s: float | None) -> None:
        start = asyncio.get_running_loop().create_future()
        self._waiting[start] = tenant
        self._start_waiting()
        is_started = False
        try:
            async with asyncio.timeout(max_wait_s):
                await start
            is_started = True
        except TimeoutError as error:
            raise TenantLimitError from error
        finally:
            if not is_started and self._waiting.pop(start, None) is None:
                # It was started at the moment of its timeout or cancellation.
                self._running.release(tenant)
                self._start_waiting()

    def _start_waiting(self) -> None:
        for start, tenant in list(self._waiting.items()):
            if not start.done() and self._running.may_acquire(tenant):
                self._running.acquire(tenant)
                del self._waiting[start]
                start.set_result(None)


class _Units:
    """A number of units, and the count that each tenant holds."""

    def __init__(self, total: float) -> None:
        self._free = total
        self._held: Counter[str] = Counter()

    def may_acquire(self, tenant: str) -> bool:
        return self._held[tenant] < self._free

    def acquire(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def release(self, tenant: str) -> None:
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]


def tenant_of_activity() -> str:
    """Return the tenant of the running activity: its run's fairness key, or an empty string."""
    return (activity.info().priority.fairness_key if activity.in_activity() else None) or ""
