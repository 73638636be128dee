"""The token bucket: bursts, the sustained rate, order, and refusal of long waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.wire.limits import RateLimit
from shared.errors import CrowdedError


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 5), max_size=60),
)
def test_no_window_has_more_turns_than_burst_and_rate_permit(
    rate: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    limit = RateLimit(rate, burst, now=clock)
    turns: list[float] = []
    for pause in pauses:
        clock.now_s += pause
        turns.append(clock.now_s + limit.reserve())
    assert turns == sorted(turns)
    for first, begin in enumerate(turns):
        for last in range(first, len(turns)):
            most = burst + rate * (turns[last] - begin)
            assert last - first + 1 <= most + 1e-6 * len(turns)


def test_idle_bucket_grants_its_burst_at_once() -> None:
    clock = Clock()
    limit = RateLimit(2, 3, now=clock)
    assert [limit.reserve() for _ in range(5)] == [0, 0, 0, 0.5, 1]
    clock.now_s += 100
    assert [limit.reserve() for _ in range(4)] == [0, 0, 0, 0.5]


def test_long_wait_is_refused_and_takes_nothing() -> None:
    limit = RateLimit(1, now=Clock())
    assert limit.reserve() == 0
    for _ in range(3):
        with pytest.raises(CrowdedError, match="permits it in 1 s"):
            limit.reserve(max_wait_s=0.5)
    assert limit.reserve() == 1


def test_rate_of_zero_is_no_limit() -> None:
    limit = RateLimit(0, now=Clock())
    assert {limit.reserve() for _ in range(1000)} == {0}
