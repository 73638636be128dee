"""Places of one process that tenants share: whoever takes many leaves some to others."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity

from shared.errors import TenantLimitError


class TenantShares:
    """So many at work, so many present; of neither does a tenant hold more than it leaves free.

    One tenant alone comes to half of the places, two to a third each, and so on: one that has none
    yet finds a place free at once, however many the others would fill. Nobody is turned out.

    Args:
        places: how many work at a time.
        slots: how many may be present, at work or waiting for a place; none: any number.
    """

    def __init__(self, places: int, slots: float = math.inf) -> None:
        self._at_work = _Held(places)
        self._present = _Held(slots)
        self._waiting: dict[asyncio.Future[None], str] = {}

    @asynccontextmanager
    async def place(self, tenant: str, *, max_wait_s: float | None = None) -> AsyncGenerator[None]:
        """Hold a place, once the tenant may have one more.

        Args:
            tenant: who it is for.
            max_wait_s: how long to wait for it; none: as long as it takes.

        Raises:
            TenantLimitError: the tenant has so many here already that this one is to come again.
        """
        if not self._present.may_have(tenant):
            raise TenantLimitError
        self._present.take(tenant)
        try:
            await self._take_turn(tenant, max_wait_s)
            try:
                yield
            finally:
                self._at_work.give_back(tenant)
                self._let_in()
        finally:
            self._present.give_back(tenant)

    async def _take_turn(self, tenant: str, max_wait_s: float | None) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = tenant
        self._let_in()
        is_taken = False
        try:
            async with asyncio.timeout(max_wait_s):
                await turn
            is_taken = True
        except TimeoutError as error:
            raise TenantLimitError from error
        finally:
            if not is_taken and self._waiting.pop(turn, None) is None:
                # It was let in just as it gave up.
                self._at_work.give_back(tenant)
                self._let_in()

    def _let_in(self) -> None:
        for turn, tenant in list(self._waiting.items()):
            if not turn.done() and self._at_work.may_have(tenant):
                self._at_work.take(tenant)
                del self._waiting[turn]
                turn.set_result(None)


class _Held:
    """The count of what each tenant holds of a number of things."""

    def __init__(self, total: float) -> None:
        self._free = total
        self._held: Counter[str] = Counter()

    def may_have(self, tenant: str) -> bool:
        return self._held[tenant] < self._free

    def take(self, tenant: str) -> None:
        self._free -= 1
        self._held[tenant] += 1

    def give_back(self, tenant: str) -> None:
        self._free += 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]


def tenant_of_activity() -> str:
    """The tenant that the running activity works for, as its run's fairness key names it."""
    return (activity.info().priority.fairness_key if activity.in_activity() else None) or ""
