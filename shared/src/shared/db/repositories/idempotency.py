"""Idempotency keys: a repeated create request gets the first response again, for 24 hours."""

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
    """A create request with an idempotency key.

    Attributes:
        owner: owner of the key: a tenant or an API key.
        route: the route of the request.
        key: the header `Idempotency-Key`.
        body_hash: SHA-256 of the canonical request, in hex.
    """

    owner: str
    route: str
    key: str
    body_hash: str


async def claim_key(session: AsyncSession, request: CreateRequest) -> IdempotencyKey | None:
    """Claim a key for a request, in the transaction that creates the resource.

    A concurrent request with the same key waits here, on the primary key, until the first one has
    committed or rolled back.

    Returns:
        None if the key was free; otherwise the row of the first request.
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
    """Store the response for retries, in the transaction of the claim."""
    await session.execute(update(IdempotencyKey).where(_row_of(request)).values(answer=answer))


async def release_key(session: AsyncSession, request: CreateRequest) -> None:
    """Release a key whose request failed, so that a retry is a new request."""
    await session.execute(delete(IdempotencyKey).where(_row_of(request)))


async def sweep_keys(session: AsyncSession) -> int:
    """Delete expired keys, and return their number."""
    expired = IdempotencyKey.created_at < datetime.now(UTC) - KEPT_FOR
    result = await session.execute(delete(IdempotencyKey).where(expired))
    return result.rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] -- a DELETE has one


def _row_of(request: CreateRequest) -> Any:
    return (
        (IdempotencyKey.owner == request.owner)
        & (IdempotencyKey.route == request.route)
        & (IdempotencyKey.key == request.key)
    )
