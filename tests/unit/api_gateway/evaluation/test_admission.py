"""The decision of the vendors' circuit breakers on an evaluation."""

from datetime import UTC, datetime

import pytest

from api_gateway.evaluation.admission import decide, joint_state
from shared.breaker import OPEN_FOR, Breaker
from shared.contracts.enums import AiProvider, BreakerState
from shared.contracts.evaluation import EvaluationProvider
from shared.contracts.runs import Admission

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLOSED = Admission(state=BreakerState.CLOSED, is_admitted=True)
OPEN = Admission(state=BreakerState.OPEN, is_admitted=False)
PROBED = Admission(state=BreakerState.HALF_OPEN, is_admitted=False)
PROBE = Admission(state=BreakerState.HALF_OPEN, is_admitted=True, probing_since=NOW)


@pytest.mark.parametrize("admission", [CLOSED, PROBE])
def test_an_admitted_vendor_is_asked(admission: Admission) -> None:
    found = decide(EvaluationProvider.OPENAI, {AiProvider.OPENAI: admission})
    assert (found.skip, found.refusal) == ([], None)


@pytest.mark.parametrize(
    ("admission", "why"),
    [
        (
            OPEN,
            "the circuit breaker of openai is open after repeated failures; try again in a minu",
        ),
        (PROBED, "another request probes openai"),
    ],
)
def test_a_named_vendor_that_is_not_admitted_is_named(admission: Admission, why: str) -> None:
    found = decide(EvaluationProvider.OPENAI, {AiProvider.OPENAI: admission})
    assert (found.refusal or "").startswith(why)


def test_auto_skips_those_that_are_not_admitted_while_there_is_another() -> None:
    some = {
        AiProvider.ANTHROPIC: OPEN,
        AiProvider.GEMINI: PROBED,
        AiProvider.OLLAMA: PROBE,
        AiProvider.OPENAI: CLOSED,
    }
    found = decide(EvaluationProvider.AUTO, some)
    assert (found.skip, found.refusal) == ([AiProvider.ANTHROPIC, AiProvider.GEMINI], None)
    none = decide(EvaluationProvider.AUTO, dict.fromkeys(AiProvider, OPEN))
    assert "all providers" in (none.refusal or "")


@pytest.mark.parametrize(
    ("breakers", "state"),
    [
        ([], BreakerState.CLOSED),
        ([Breaker(opened_at=NOW)], BreakerState.OPEN),
        ([Breaker(opened_at=NOW), Breaker(opened_at=NOW - OPEN_FOR)], BreakerState.HALF_OPEN),
        ([Breaker(opened_at=NOW), Breaker(failures=4)], BreakerState.CLOSED),
    ],
)
def test_state_of_several_vendors_is_the_best(breakers: list[Breaker], state: BreakerState) -> None:
    assert joint_state(breakers, NOW) is state
