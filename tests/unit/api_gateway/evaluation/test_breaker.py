"""The circuit breaker's state follows from how evaluations went."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.evaluation.breaker import OPEN_FOR, breaker_state
from shared.contracts.enums import BreakerState
from shared.db.repositories.evaluations import EvaluationAttempt

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def failures(*seconds: float) -> list[EvaluationAttempt]:
    return [EvaluationAttempt(at(second), is_success=False) for second in seconds]


def success(second: float) -> list[EvaluationAttempt]:
    return [EvaluationAttempt(at(second), is_success=True)]


BURST = failures(0, 10, 20, 30, 40)


@pytest.mark.parametrize(
    ("attempts", "now_s", "state"),
    [
        ([], 0, BreakerState.CLOSED),
        (failures(0, 1, 2, 3), 4, BreakerState.CLOSED),
        (BURST, 41, BreakerState.OPEN),
        (BURST, 99.9, BreakerState.OPEN),
        (BURST, 100, BreakerState.HALF_OPEN),
        (BURST, 100_000, BreakerState.HALF_OPEN),
        (failures(0, 20, 40, 60), 61, BreakerState.CLOSED),
        (failures(0, 20, 40, 60, 80), 81, BreakerState.CLOSED),
        (failures(0, 15, 30, 45, 60), 61, BreakerState.OPEN),
        (failures(0, 1) + success(2) + failures(3, 4, 5, 6), 7, BreakerState.CLOSED),
        (BURST + failures(110), 111, BreakerState.OPEN),
        (BURST + failures(110), 170, BreakerState.HALF_OPEN),
        (BURST + success(110), 111, BreakerState.CLOSED),
        (BURST + success(110) + failures(111), 112, BreakerState.CLOSED),
    ],
)
def test_states(attempts: list[EvaluationAttempt], now_s: float, state: BreakerState) -> None:
    assert breaker_state(attempts, at(now_s)) is state


attempts_lists = st.lists(
    st.tuples(st.floats(0, 1000), st.booleans()).map(lambda a: EvaluationAttempt(at(a[0]), a[1]))
).map(lambda found: sorted(found, key=lambda attempt: attempt.at))


@given(attempts_lists)
def test_success_closes_it(attempts: list[EvaluationAttempt]) -> None:
    assert breaker_state([*attempts, *success(1000)], at(1001)) is BreakerState.CLOSED


@given(attempts_lists)
def test_it_is_open_for_no_longer_than_it_may(attempts: list[EvaluationAttempt]) -> None:
    state = breaker_state(attempts, at(1000) + OPEN_FOR)
    assert state in {BreakerState.CLOSED, BreakerState.HALF_OPEN}


@given(attempts_lists)
def test_fewer_than_five_failures_never_open_it(attempts: list[EvaluationAttempt]) -> None:
    failed = [attempt for attempt in attempts if not attempt.is_success]
    if len(failed) < 5:
        assert breaker_state(attempts, at(1000)) is BreakerState.CLOSED
