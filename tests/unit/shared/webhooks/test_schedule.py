"""When events are sent again, and when receivers are given up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.webhooks.schedule import DELAYS_S, delay_s, failing_since, is_to_be_disabled

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
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
def test_receiver_is_not_called_before_it_asked_for_unless_that_is_over_a_day(
    failures: int, jitter: float, asked: float
) -> None:
    wait = delay_s(failures, jitter, asked)
    assert wait is not None
    assert wait >= min(asked, 86_400)
    assert wait <= max(86_400, 1.1 * DELAYS_S[failures])


@given(failures=st.integers(10, 1000), jitter=unit, asked=st.floats(0, 1e6))
def test_nothing_follows_the_tenth_attempt(failures: int, jitter: float, asked: float) -> None:
    assert delay_s(failures, jitter, asked) is None


def test_receiver_fails_since_its_first_failure_in_a_row() -> None:
    first = NOW - timedelta(days=4)
    assert failing_since(None, None, NOW) == NOW
    assert failing_since(first, NOW - timedelta(hours=26), NOW) == first
    # So far apart, it may have worked in between.
    assert failing_since(first, NOW - timedelta(hours=49), NOW) == NOW


def test_receiver_is_disabled_after_five_days() -> None:
    assert not is_to_be_disabled(NOW - timedelta(days=5) + timedelta(seconds=1), NOW)
    assert is_to_be_disabled(NOW - timedelta(days=5), NOW)
