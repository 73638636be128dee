"""Idempotency keys: who repeats a create request within a day gets the first answer again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.idempotency import IdempotencyKey

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True)
class CreateRequest:
    """A create request that carries a key.

    Attributes:
        owner: whose keys these are: a tenant or an API key.
        route: what it creates.
        key: the header `Idempotency-Key`.
        body_hash: SHA-256 of the canonical request, hex.
    """

    owner: str
    route: str
    key: str
    body_hash: str


async def claim_key(session: AsyncSession, request: CreateRequest) -> IdempotencyKey | None:
    """Take a key for this request, within the transaction that creates what it asks for.

    A request that races with the first one waits here, on the primary key, until that one has
    committed or rolled back.

    Returns:
        None where the key was free; else the row of the first request.
    """
    expired = IdempotencyKey.created_at < datetime.now(UTC) - KEPT_FOR
    await session.execute(delete(IdempotencyKey).where(_row_of(request), expired))
    claimed = await session.scalar(
        insert(IdempotencyKey)
        .values(**vars(request))
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if claimed is not None:
        return None
    return await session.get(IdempotencyKey, (request.owner, request.route, request.key))


async def store_response(
    session: AsyncSession, request: CreateRequest, answer: dict[str, Any]
) -> None:
    """Keep the answer for repeats; same transaction as the claim."""
    await session.execute(update(IdempotencyKey).where(_row_of(request)).values(answer=answer))


async def release_key(session: AsyncSession, request: CreateRequest) -> None:
    """Free a key whose request has failed for good, so that its repeat is a new request."""
    await session.execute(delete(IdempotencyKey).where(_row_of(request)))


async def sweep_keys(session: AsyncSession) -> int:
    """Remove the keys that nobody can repeat any more; answers how many there were."""
    expired = IdempotencyKey.created_at < datetime.now(UTC) - KEPT_FOR
    result = await session.execute(delete(IdempotencyKey).where(expired))
    return result.rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] -- a DELETE has one


def _row_of(request: CreateRequest) -> Any:
    return (
        (IdempotencyKey.owner == request.owner)
        & (IdempotencyKey.route == request.route)
        & (IdempotencyKey.key == request.key)
    )
