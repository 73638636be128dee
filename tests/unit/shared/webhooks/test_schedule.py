"""The retry schedule of deliveries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.webhooks.schedule import DELAYS_S, delay_s

unit = st.floats(0, 1)


def test_ten_attempts_within_three_days_as_standard_webhooks_recommends() -> None:
    waits = [delay_s(failures, 0.5) for failures in range(11)]
    assert waits[-1] is None
    assert waits[:-1] == list(DELAYS_S)
    assert sum(DELAYS_S) / 3600 == pytest.approx(75.6, abs=0.05)


@given(failures=st.integers(0, 9), jitter=unit)
def test_waits_differ_by_a_tenth_at_most(failures: int, jitter: float) -> None:
    wait = delay_s(failures, jitter)
    assert wait is not None
    planned = DELAYS_S[failures]
    assert 0.9 * planned - 1e-6 <= wait <= 1.1 * planned + 1e-6


@given(failures=st.integers(0, 9), jitter=unit, asked=st.floats(0, 1e12))
def test_retry_after_of_the_receiver_is_respected_up_to_a_day(
    failures: int, jitter: float, asked: float
) -> None:
    wait = delay_s(failures, jitter, asked)
    assert wait is not None
    assert wait >= min(asked, 86_400)
    assert wait <= max(86_400, 1.1 * DELAYS_S[failures])


@given(failures=st.integers(10, 1000), jitter=unit, asked=st.floats(0, 1e6))
def test_nothing_follows_the_tenth_attempt(failures: int, jitter: float, asked: float) -> None:
    assert delay_s(failures, jitter, asked) is None
