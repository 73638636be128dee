"""A limit within another: both count the same requests."""

import asyncio

import pytest

from provider_worker.wire.limits import RateLimit
from shared.errors import CrowdedError


class Clock:
    """A clock that the waits advance."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 0.0
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    def __call__(self) -> float:
        return self.time

    async def _sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_requests_of_both_kinds_are_counted_together(clock: Clock) -> None:
    all_of_them = RateLimit(1, now=clock)
    submits = RateLimit(10, burst=10, within=all_of_them, now=clock)
    for limit in (submits, all_of_them, submits, all_of_them):
        await limit.turn()
    assert clock.time == pytest.approx(3)


async def test_the_inner_limit_holds_too(clock: Clock) -> None:
    submits = RateLimit(1, within=RateLimit(10, burst=10, now=clock), now=clock)
    for _ in range(3):
        await submits.turn()
    assert clock.time == pytest.approx(2)


async def test_a_wait_that_is_too_long_takes_nothing_from_either(clock: Clock) -> None:
    all_of_them = RateLimit(1, now=clock)
    submits = RateLimit(10, within=all_of_them, now=clock)
    await submits.turn()
    with pytest.raises(CrowdedError, match="in 1 s"):
        await submits.turn(max_wait_s=0.5)
    await all_of_them.turn()
    assert clock.time == pytest.approx(1)
