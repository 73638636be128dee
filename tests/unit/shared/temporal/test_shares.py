"""Tenants share the slots of a process: none blocks another, and no slot is lost."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import TenantLimitError
from shared.temporal.shares import TenantShares


async def turns() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def fill(shares: TenantShares, tenant: str, stack: AsyncExitStack, most: int) -> int:
    """Acquire slots until none is free, and return their number."""
    for count in range(most):
        try:
            await stack.enter_async_context(shares.place(tenant, max_wait_s=0))
        except TenantLimitError:
            return count
    return most


async def test_one_tenant_takes_half_and_the_next_half_of_what_is_left() -> None:
    shares = TenantShares(places=12)
    async with AsyncExitStack() as stack:
        assert await fill(shares, "greedy", stack, 100) == 6
        assert await fill(shares, "eager", stack, 100) == 3
        assert await fill(shares, "late", stack, 100) == 2
        assert await fill(shares, "last", stack, 100) == 1
    async with AsyncExitStack() as stack:
        assert await fill(shares, "greedy", stack, 100) == 6


async def test_new_tenant_does_not_wait_behind_others() -> None:
    shares = TenantShares(places=4)
    async with AsyncExitStack() as stack:
        await fill(shares, "greedy", stack, 2)
        waiting = asyncio.create_task(stack.enter_async_context(shares.place("greedy")))
        await turns()
        assert not waiting.done()
        async with asyncio.timeout(1), shares.place("modest"):
            pass
        waiting.cancel()


async def test_waiting_work_starts_in_order_of_arrival() -> None:
    shares, order = TenantShares(places=2), list[int]()
    leave = asyncio.Event()

    async def work(number: int) -> None:
        async with shares.place("one"):
            order.append(number)
            await leave.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await turns()
    assert order == [0]
    leave.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert order == [0, 1, 2, 3, 4]


async def test_tenant_with_half_of_the_slots_is_refused() -> None:
    shares = TenantShares(places=2, slots=8)
    here = [asyncio.create_task(_stay(shares, "greedy")) for _ in range(4)]
    await turns()
    with pytest.raises(TenantLimitError):
        await _stay(shares, "greedy")
    modest = asyncio.create_task(_stay(shares, "modest"))
    await turns()
    assert not any(task.done() for task in (*here, modest))
    for task in (*here, modest):
        task.cancel()


async def test_wait_times_out() -> None:
    shares = TenantShares(places=1)
    async with shares.place("one"):
        with pytest.raises(TenantLimitError):
            async with shares.place("one", max_wait_s=0.01):
                pass


@given(seed=st.integers(0, 2**32), places=st.integers(1, 8), spare=st.integers(0, 20))
def test_no_slot_is_lost_or_given_twice(seed: int, places: int, spare: int) -> None:
    dice = random.Random(seed)

    async def come_and_go() -> None:
        shares = TenantShares(places, places + spare)
        at_work: Counter[str] = Counter()

        async def visit(tenant: str) -> None:
            try:
                async with shares.place(tenant, max_wait_s=dice.choice([0, 0.001, None])):
                    at_work[tenant] += 1
                    assert at_work.total() <= places
                    try:
                        await asyncio.sleep(dice.choice([0, 0, 0.001]))
                    finally:
                        at_work[tenant] -= 1
            except TenantLimitError:
                pass

        visits = [asyncio.create_task(visit(dice.choice("abc"))) for _ in range(30)]
        for each in visits:
            if dice.random() < 0.5:
                await asyncio.sleep(0)
            if dice.random() < 0.3:
                each.cancel()
        ends = await asyncio.wait_for(asyncio.gather(*visits, return_exceptions=True), 5)
        assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError}
        async with AsyncExitStack() as stack:
            assert await fill(shares, "a", stack, 100) == (places + 1) // 2

    asyncio.run(come_and_go())


async def _stay(shares: TenantShares, tenant: str) -> None:
    async with shares.place(tenant):
        await asyncio.Event().wait()
