"""Receivers that fail: since when, and whether they are still called."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from shared.db.failing_receivers import DISABLED_AFTER, failing_since, is_to_be_disabled
from shared.db.models.webhooks import WebhookDelivery, WebhookEndpoint
from shared.db.repositories.scope import Scope


def endpoint_of(delivery: type[WebhookDelivery] | WebhookDelivery) -> ColumnElement[bool]:
    """The receiver of a delivery, or of each of them in a join."""
    tenant = WebhookEndpoint.origin_tenant_id
    return (
        (WebhookEndpoint.origin_instance == delivery.origin_instance)
        & tenant.is_not_distinct_from(delivery.origin_tenant_id)
        & (WebhookEndpoint.url == delivery.url)
    )


async def find_endpoint(session: AsyncSession, delivery: WebhookDelivery) -> WebhookEndpoint | None:
    """The receiver of a delivery; none where it has never failed."""
    return await session.scalar(select(WebhookEndpoint).where(endpoint_of(delivery)))


async def note_success(session: AsyncSession, delivery: WebhookDelivery) -> None:
    """A receiver that failed takes events again."""
    failing = endpoint_of(delivery) & WebhookEndpoint.failing_since.is_not(None)
    await session.execute(
        update(WebhookEndpoint).where(failing).values(failing_since=None, failed_at=None)
    )


async def note_failure(
    session: AsyncSession, delivery: WebhookDelivery, now: datetime, *, is_gone: bool
) -> bool:
    """A receiver has failed once more.

    Args:
        session: whose transaction it belongs to.
        delivery: what it has not taken.
        now: when.
        is_gone: it has said that it wants nothing any more.

    Returns:
        Whether it is called no more.
    """
    await session.execute(
        insert(WebhookEndpoint)
        .values(
            url=delivery.url,
            origin_instance=delivery.origin_instance,
            origin_tenant_id=delivery.origin_tenant_id,
        )
        .on_conflict_do_nothing()
    )
    endpoint = (
        await session.scalars(
            select(WebhookEndpoint).where(endpoint_of(delivery)).with_for_update()
        )
    ).one()
    since = failing_since(endpoint.failing_since, endpoint.failed_at, now)
    endpoint.failing_since, endpoint.failed_at = since, now
    if endpoint.disabled_at is None:
        if is_gone:
            endpoint.disabled_at, endpoint.disabled_reason = now, "it has answered 410"
        elif is_to_be_disabled(since, now):
            endpoint.disabled_at = now
            endpoint.disabled_reason = f"it has taken nothing for {DISABLED_AFTER.days} days"
    return endpoint.disabled_at is not None


async def list_endpoints(
    session: AsyncSession, scope: Scope, *, skip: int, limit: int
) -> Sequence[WebhookEndpoint]:
    """One page of the receivers that have failed, those that came last first."""
    rows = scope.limit(select(WebhookEndpoint), WebhookEndpoint)
    newest = rows.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    return list(await session.scalars(newest.offset(skip).limit(limit)))


async def enable_endpoint(
    session: AsyncSession, scope: Scope, endpoint_id: UUID
) -> WebhookEndpoint | None:
    """Call a receiver again, as if it had never failed."""
    rows = scope.limit(
        select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id), WebhookEndpoint
    )
    endpoint = await session.scalar(rows.with_for_update())
    if endpoint is not None:
        endpoint.failing_since = endpoint.failed_at = None
        endpoint.disabled_at = endpoint.disabled_reason = None
    return endpoint
