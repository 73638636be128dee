"""Circuit breakers of providers: admission of attempts, and recording of their outcomes."""

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.breaker import Breaker
from shared.contracts.enums import ProviderType
from shared.contracts.runs import Admission, ProviderVerdict
from shared.db.models.breakers import ProviderBreaker


async def admit(session: AsyncSession, provider: ProviderType) -> Admission:
    """Admit an attempt at a provider, or not; record the probe of a half-open breaker."""
    now = datetime.now(UTC)
    breaker = await _read(session, provider)
    admitted = breaker.admit(now)
    if admitted is not None and admitted != breaker:
        await _write(session, provider, admitted)
    return Admission(state=breaker.state(now), is_admitted=admitted is not None)


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


async def all_breakers(session: AsyncSession) -> dict[ProviderType, Breaker]:
    """Return the breakers of all providers."""
    rows = await session.scalars(select(ProviderBreaker))
    known = {row.provider_type: _breaker(row) for row in rows}
    return {provider: known.get(provider, Breaker()) for provider in ProviderType}


async def _read(session: AsyncSession, provider: ProviderType) -> Breaker:
    # Usually there is no row, and nothing to lock.
    row = await session.get(ProviderBreaker, provider, with_for_update=True, populate_existing=True)
    return Breaker() if row is None else _breaker(row)


async def _write(session: AsyncSession, provider: ProviderType, breaker: Breaker) -> None:
    table = ProviderBreaker
    if breaker == Breaker():
        await session.execute(delete(table).where(table.provider_type == provider))
        return
    await session.execute(
        update(table).where(table.provider_type == provider).values(**asdict(breaker))
    )


def _breaker(row: ProviderBreaker) -> Breaker:
    return Breaker(row.failures, row.successes, row.opened_at, row.probing_since)
