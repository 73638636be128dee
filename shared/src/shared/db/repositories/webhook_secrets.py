"""Signing keys of tenants, as they are stored: encrypted, with an end or current."""

from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from shared.contracts.runs import Owner
from shared.db.models.webhooks import WebhookSecret


async def valid_secrets(session: AsyncSession, owner: Owner, now: datetime) -> list[WebhookSecret]:
    """Those that sign now: the current one, then those that were replaced, the newest first."""
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
    """Make it the current one, where there is none; who comes second finds the other's."""
    await session.execute(
        insert(WebhookSecret)
        .values(**owner.model_dump(), sealed_secret=sealed_secret, sealed_seed=sealed_seed)
        .on_conflict_do_nothing()
    )


async def expire_secrets(session: AsyncSession, owner: Owner, until: datetime) -> None:
    """Let none sign for longer than that."""
    await session.execute(
        update(WebhookSecret)
        .where(*_of(owner))
        .values(expires_at=func.least(func.coalesce(WebhookSecret.expires_at, until), until))
    )


async def sweep_secrets(session: AsyncSession, now: datetime) -> None:
    """Forget those that sign no more."""
    await session.execute(delete(WebhookSecret).where(WebhookSecret.expires_at <= now))


def _of(owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return (
        WebhookSecret.origin_instance == owner.origin_instance,
        WebhookSecret.origin_tenant_id.is_not_distinct_from(owner.origin_tenant_id),
    )
