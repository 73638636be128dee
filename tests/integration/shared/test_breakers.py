"""Circuit breakers in the database: counts are exact, even if attempts end concurrently."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from shared.breaker import EVALUATION_PROBE_FOR, FAILURES_TO_OPEN, OPEN_FOR
from shared.contracts.enums import AiProvider, BreakerState, ProviderType
from shared.contracts.evaluation import EvaluationProvider, EvaluationRecord
from shared.contracts.owners import Owner
from shared.contracts.runs import ProviderVerdict
from shared.db.models.breakers import ProviderBreaker
from shared.db.repositories.breakers import (
    BREAKER_KEYS,
    admit,
    all_breakers,
    count_verdict,
    count_verdicts,
    release_probe,
)
from shared.db.repositories.evaluations import write_evaluation
from shared.db.session import Sessions

FAL = ProviderType.FAL_STANDARD


@pytest.fixture(autouse=True)
async def no_breakers(sessions: Sessions) -> AsyncIterator[None]:
    """Reset all breakers: they are shared by all tests."""
    await forget_all(sessions)
    yield
    await forget_all(sessions)


async def forget_all(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(delete(ProviderBreaker))


async def fail(sessions: Sessions, times: int) -> None:
    async def once() -> None:
        async with sessions.begin() as session:
            await count_verdict(session, ProviderVerdict(provider_type=FAL, is_success=False))

    await asyncio.gather(*(once() for _ in range(times)))


async def succeed(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await count_verdict(session, ProviderVerdict(provider_type=FAL, is_success=True))


async def ask(sessions: Sessions) -> tuple[BreakerState, bool]:
    async with sessions.begin() as session:
        admission = await admit(session, FAL)
    return admission.state, admission.is_admitted


async def let_time_pass(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        opened_at = datetime.now(UTC) - OPEN_FOR
        await session.execute(update(ProviderBreaker).values(opened_at=opened_at))


async def test_concurrent_failures_are_all_counted(sessions: Sessions) -> None:
    await fail(sessions, FAILURES_TO_OPEN - 1)
    assert await ask(sessions) == (BreakerState.CLOSED, True)
    await fail(sessions, 1)
    assert await ask(sessions) == (BreakerState.OPEN, False)


async def test_one_probe_gets_through_and_two_successes_close_it(sessions: Sessions) -> None:
    await fail(sessions, FAILURES_TO_OPEN)
    await let_time_pass(sessions)
    asked = await asyncio.gather(*(ask(sessions) for _ in range(5)))
    assert sorted(is_admitted for _, is_admitted in asked) == [False] * 4 + [True]
    await succeed(sessions)
    assert await ask(sessions) == (BreakerState.HALF_OPEN, True)
    await succeed(sessions)
    assert await ask(sessions) == (BreakerState.CLOSED, True)


async def test_a_success_of_a_closed_breaker_leaves_no_row(sessions: Sessions) -> None:
    await succeed(sessions)
    async with sessions() as session:
        assert await session.get(ProviderBreaker, FAL) is None


async def test_every_provider_has_a_state(sessions: Sessions) -> None:
    await fail(sessions, FAILURES_TO_OPEN)
    async with sessions() as session:
        breakers = await all_breakers(session)
    now = datetime.now(UTC)
    assert set(breakers) == set(BREAKER_KEYS)
    assert [p for p in breakers if breakers[p].state(now) is BreakerState.OPEN] == [FAL]


async def test_inconclusive_probe_admits_the_next_one(sessions: Sessions) -> None:
    await fail(sessions, FAILURES_TO_OPEN)
    await let_time_pass(sessions)
    assert await ask(sessions) == (BreakerState.HALF_OPEN, True)
    assert await ask(sessions) == (BreakerState.HALF_OPEN, False)
    async with sessions.begin() as session:
        await count_verdict(session, ProviderVerdict(provider_type=FAL, is_success=None))
    assert await ask(sessions) == (BreakerState.HALF_OPEN, True)


async def test_only_the_own_probe_is_released(sessions: Sessions) -> None:
    await fail(sessions, FAILURES_TO_OPEN)
    await let_time_pass(sessions)
    async with sessions.begin() as session:
        mine = (await admit(session, FAL)).probing_since
    assert mine is not None
    async with sessions.begin() as session:
        await release_probe(session, FAL, mine - OPEN_FOR)
    assert await ask(sessions) == (BreakerState.HALF_OPEN, False)
    async with sessions.begin() as session:
        await release_probe(session, FAL, mine)
    assert await ask(sessions) == (BreakerState.HALF_OPEN, True)


async def test_a_probe_expires_by_the_limit_of_the_one_who_asks(sessions: Sessions) -> None:
    await fail(sessions, FAILURES_TO_OPEN)
    await let_time_pass(sessions)
    async with sessions.begin() as session:
        assert (await admit(session, FAL)).is_admitted
        earlier = datetime.now(UTC) - EVALUATION_PROBE_FOR
        await session.execute(update(ProviderBreaker).values(probing_since=earlier))
    assert await ask(sessions) == (BreakerState.HALF_OPEN, False)
    async with sessions.begin() as session:
        assert (await admit(session, FAL, probe_for=EVALUATION_PROBE_FOR)).is_admitted


async def test_verdicts_on_the_same_vendors_at_once_do_not_block_each_other(
    sessions: Sessions,
) -> None:
    vendors = list(AiProvider)

    async def once(order: list[AiProvider]) -> None:
        failed = [ProviderVerdict(provider_type=each, is_success=False) for each in order]
        async with sessions.begin() as session:
            await count_verdicts(session, failed)

    await asyncio.gather(*(once(vendors[::step]) for step in (1, -1) * 5))
    async with sessions() as session:
        breakers = await all_breakers(session)
    assert [breakers[vendor].failures for vendor in vendors] == [10] * 4


async def test_an_evaluation_that_is_recorded_twice_counts_once(sessions: Sessions) -> None:
    record = EvaluationRecord(
        evaluation_id=uuid.uuid4(),
        provider=EvaluationProvider.GEMINI,
        success=True,
        duration_ms=1,
        owner=Owner(origin_instance="tests"),
        verdicts=[
            ProviderVerdict(provider_type=AiProvider.OPENAI, is_success=False),
            ProviderVerdict(provider_type=AiProvider.GEMINI, is_success=True),
        ],
    )
    for _ in range(2):
        async with sessions.begin() as session:
            await write_evaluation(session, record)
    async with sessions() as session:
        breakers = await all_breakers(session)
    assert (breakers[AiProvider.OPENAI].failures, breakers[AiProvider.GEMINI].failures) == (1, 0)
