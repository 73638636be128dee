"""Signing keys of tenants: encrypted, current or with an end of validity."""

from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from shared.contracts.owners import Owner
from shared.db.models.webhooks import WebhookSecret


async def valid_secrets(session: AsyncSession, owner: Owner, now: datetime) -> list[WebhookSecret]:
    """Return the valid keys: the current ones, then replaced ones, newest first."""
    rows = select(WebhookSecret).where(
        *_of(owner), or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > now)
    )
    order = rows.order_by(
        WebhookSecret.expires_at.desc().nulls_first(), WebhookSecret.created_at.desc()
    )
    return list(await session.scalars(order))


async def add_secret(
    session: AsyncSession, owner: Owner, sealed_secret: str, sealed_seed: str
) -> None:
    """Add the current keys, unless there are some: of two concurrent calls the first wins."""
    await session.execute(
        insert(WebhookSecret)
        .values(**owner.model_dump(), sealed_secret=sealed_secret, sealed_seed=sealed_seed)
        .on_conflict_do_nothing()
    )


async def expire_secrets(session: AsyncSession, owner: Owner, until: datetime) -> None:
    """Limit the validity of all keys to a time."""
    await session.execute(
        update(WebhookSecret)
        .where(*_of(owner))
        .values(expires_at=func.least(func.coalesce(WebhookSecret.expires_at, until), until))
    )


async def sweep_secrets(session: AsyncSession, now: datetime) -> None:
    """Delete expired keys."""
    await session.execute(delete(WebhookSecret).where(WebhookSecret.expires_at <= now))


def _of(owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return (
        WebhookSecret.origin_instance == owner.origin_instance,
        WebhookSecret.origin_tenant_id.is_not_distinct_from(owner.origin_tenant_id),
    )
