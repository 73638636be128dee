"""Circuit breakers of providers and vendors: admission of attempts, recording of outcomes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.breaker import PROBE_FOR, Breaker
from shared.contracts.enums import AiProvider, ProviderType
from shared.contracts.runs import Admission, BreakerKey, ProviderVerdict
from shared.db.models.breakers import ProviderBreaker

BREAKER_KEYS: Sequence[BreakerKey] = (
    *(provider for provider in ProviderType if provider is not ProviderType.AI_CORE),
    *AiProvider,
)
"""Owners of a breaker. Those of `ai_core` are its vendors."""


async def admit(
    session: AsyncSession, key: BreakerKey, *, probe_for: timedelta = PROBE_FOR
) -> Admission:
    """Admit an attempt, or not; record the probe of a half-open breaker.

    Args:
        session: of one transaction.
        key: the provider or vendor.
        probe_for: time after which an earlier probe no longer counts.
    """
    now = datetime.now(UTC)
    breaker = await _read(session, key)
    admitted = breaker.admit(now, probe_for)
    if admitted is None or admitted == breaker:
        return Admission(state=breaker.state(now), is_admitted=admitted is not None)
    await _write(session, key, admitted)
    return Admission(
        state=breaker.state(now), is_admitted=True, probing_since=admitted.probing_since
    )


async def release_probe(session: AsyncSession, key: BreakerKey, probing_since: datetime) -> None:
    """Free the place of a probe that was not made; a later probe keeps its place."""
    table = ProviderBreaker
    mine = (table.provider_type == key) & (table.probing_since == probing_since)
    await session.execute(update(table).where(mine).values(probing_since=None))


async def count_verdict(session: AsyncSession, verdict: ProviderVerdict | None) -> None:
    """Record the outcome of an attempt. Must take the last lock of its transaction."""
    if verdict is None:
        return
    if verdict.is_success is False:  # the row lock makes concurrent failures count
        row = insert(ProviderBreaker).values(provider_type=verdict.provider_type)
        await session.execute(row.on_conflict_do_nothing())
    breaker = await _read(session, verdict.provider_type)
    after = breaker.after(datetime.now(UTC), is_success=verdict.is_success)
    if after != breaker:
        await _write(session, verdict.provider_type, after)


async def count_verdicts(session: AsyncSession, verdicts: Iterable[ProviderVerdict]) -> None:
    """Record the outcomes of attempts at several providers, in the order that avoids deadlocks."""
    for verdict in sorted(verdicts, key=lambda each: each.provider_type):
        await count_verdict(session, verdict)


async def all_breakers(session: AsyncSession) -> dict[BreakerKey, Breaker]:
    """Return the breakers of all providers and vendors."""
    rows = await session.scalars(select(ProviderBreaker))
    known = {row.provider_type: _breaker(row) for row in rows}
    return {key: known.get(key, Breaker()) for key in BREAKER_KEYS}


async def _read(session: AsyncSession, key: BreakerKey) -> Breaker:
    # Usually there is no row, and nothing to lock.
    row = await session.get(ProviderBreaker, key, with_for_update=True, populate_existing=True)
    return Breaker() if row is None else _breaker(row)


async def _write(session: AsyncSession, key: BreakerKey, breaker: Breaker) -> None:
    table = ProviderBreaker
    if breaker == Breaker():
        await session.execute(delete(table).where(table.provider_type == key))
        return
    await session.execute(update(table).where(table.provider_type == key).values(**asdict(breaker)))


def _breaker(row: ProviderBreaker) -> Breaker:
    return Breaker(row.failures, row.successes, row.opened_at, row.probing_since)
