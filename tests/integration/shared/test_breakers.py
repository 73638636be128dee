"""Circuit breakers in the database: counts are exact, even if attempts end concurrently."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from shared.breaker import FAILURES_TO_OPEN, OPEN_FOR
from shared.contracts.enums import BreakerState, ProviderType
from shared.contracts.runs import ProviderVerdict
from shared.db.models.breakers import ProviderBreaker
from shared.db.repositories.breakers import (
    BREAKER_KEYS,
    admit,
    all_breakers,
    count_verdict,
)
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
