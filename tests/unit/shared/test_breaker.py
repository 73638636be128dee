"""Five failures open a breaker, after 60 s it is half-open, two successes close it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.breaker import FAILURES_TO_OPEN, OPEN_FOR, PROBE_FOR, Breaker
from shared.contracts.enums import BreakerState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + OPEN_FOR


def failed(times: int, at: datetime = NOW) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.after(at, is_success=False)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    assert failed(FAILURES_TO_OPEN - 1).state(NOW) is BreakerState.CLOSED
    assert failed(FAILURES_TO_OPEN).state(NOW) is BreakerState.OPEN
    assert failed(FAILURES_TO_OPEN).admit(NOW) is None


def test_a_success_between_starts_the_count_anew() -> None:
    interrupted = failed(FAILURES_TO_OPEN - 1).after(NOW, is_success=True)
    assert interrupted == Breaker()


def test_half_open_admits_one_probe_at_a_time() -> None:
    breaker = failed(FAILURES_TO_OPEN)
    assert breaker.state(LATER) is BreakerState.HALF_OPEN
    probed = breaker.admit(LATER)
    assert probed is not None
    assert probed.admit(LATER) is None
    assert probed.admit(LATER + PROBE_FOR) is not None


def test_two_successes_close_it() -> None:
    once = failed(FAILURES_TO_OPEN).after(LATER, is_success=True)
    assert once.state(LATER) is BreakerState.HALF_OPEN
    assert once.admit(LATER) is not None
    assert once.after(LATER, is_success=True) == Breaker()


def test_a_failed_probe_opens_it_again_for_the_whole_time() -> None:
    breaker = failed(FAILURES_TO_OPEN).after(LATER, is_success=True).after(LATER, is_success=False)
    assert breaker.state(LATER + OPEN_FOR / 2) is BreakerState.OPEN
    assert breaker.state(LATER + OPEN_FOR) is BreakerState.HALF_OPEN
    assert breaker.successes == 0


def test_late_outcomes_neither_close_nor_prolong_it() -> None:
    breaker = failed(FAILURES_TO_OPEN)
    soon = NOW + OPEN_FOR / 2
    assert breaker.after(soon, is_success=True) == breaker
    assert breaker.after(soon, is_success=False).opened_at == NOW


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 120)), max_size=60))
def test_it_is_open_only_after_a_failure(steps: list[tuple[bool, int]]) -> None:
    breaker, now, last_failure = Breaker(), NOW, None
    for is_success, seconds in steps:
        now += timedelta(seconds=seconds)
        breaker = breaker.after(now, is_success=is_success)
        last_failure = last_failure if is_success else now
        if breaker.state(now) is BreakerState.OPEN:
            assert last_failure is not None
            assert breaker.failures >= FAILURES_TO_OPEN or breaker.opened_at is not None
        if breaker.state(now) is BreakerState.CLOSED:
            assert breaker.admit(now) == breaker
