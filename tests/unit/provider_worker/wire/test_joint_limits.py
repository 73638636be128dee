"""A limit within another: both count the same requests."""

import pytest

from provider_worker.wire.limits import RateLimit
from shared.errors import CrowdedError


class Clock:
    """A clock that the waits for turns advance."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def wait_for(self, *turns: RateLimit) -> None:
        for limit in turns:
            self.time += limit.reserve()


def test_requests_of_both_kinds_are_counted_together() -> None:
    clock = Clock()
    all_of_them = RateLimit(1, now=clock)
    submits = RateLimit(10, burst=10, within=all_of_them, now=clock)
    clock.wait_for(submits, all_of_them, submits, all_of_them)
    assert clock.time == pytest.approx(3)


def test_the_inner_limit_holds_too() -> None:
    clock = Clock()
    submits = RateLimit(1, within=RateLimit(10, burst=10, now=clock), now=clock)
    clock.wait_for(submits, submits, submits)
    assert clock.time == pytest.approx(2)


def test_a_wait_that_is_too_long_takes_nothing_from_either() -> None:
    clock = Clock()
    all_of_them = RateLimit(1, now=clock)
    submits = RateLimit(10, within=all_of_them, now=clock)
    clock.wait_for(submits)
    with pytest.raises(CrowdedError, match="in 1 s"):
        submits.reserve(max_wait_s=0.5)
    clock.wait_for(all_of_them)
    assert clock.time == pytest.approx(1)
