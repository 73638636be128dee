"""Webhook receivers that have failed: start of failures, disabling and enabling."""

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
    """Return the condition that joins a delivery with its receiver."""
    tenant = WebhookEndpoint.origin_tenant_id
    return (
        (WebhookEndpoint.origin_instance == delivery.origin_instance)
        & tenant.is_not_distinct_from(delivery.origin_tenant_id)
        & (WebhookEndpoint.url == delivery.url)
    )


async def find_endpoint(session: AsyncSession, delivery: WebhookDelivery) -> WebhookEndpoint | None:
    """Return the receiver of a delivery; none if it has never failed."""
    return await session.scalar(select(WebhookEndpoint).where(endpoint_of(delivery)))


async def note_success(session: AsyncSession, delivery: WebhookDelivery) -> None:
    """Record a successful delivery: reset the failures of its receiver."""
    failing = endpoint_of(delivery) & WebhookEndpoint.failing_since.is_not(None)
    await session.execute(
        update(WebhookEndpoint).where(failing).values(failing_since=None, failed_at=None)
    )


async def note_failure(
    session: AsyncSession, delivery: WebhookDelivery, now: datetime, *, is_gone: bool
) -> bool:
    """Record a failed delivery, and disable the receiver if it is due.

    Args:
        session: transaction of the delivery.
        delivery: the failed delivery.
        now: time of the failure.
        is_gone: the receiver returned 410 Gone.

    Returns:
        True if the receiver is disabled.
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
            endpoint.disabled_at, endpoint.disabled_reason = now, "it returned 410 Gone"
        elif is_to_be_disabled(since, now):
            endpoint.disabled_at = now
            endpoint.disabled_reason = f"all deliveries failed for {DISABLED_AFTER.days} days"
    return endpoint.disabled_at is not None


async def list_endpoints(
    session: AsyncSession, scope: Scope, *, skip: int, limit: int
) -> Sequence[WebhookEndpoint]:
    """Return one page of the receivers that have failed, newest first."""
    rows = scope.limit(select(WebhookEndpoint), WebhookEndpoint)
    newest = rows.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    return list(await session.scalars(newest.offset(skip).limit(limit)))


async def enable_endpoint(
    session: AsyncSession, scope: Scope, endpoint_id: UUID
) -> WebhookEndpoint | None:
    """Enable a receiver and reset its failures; return none if the client may not see it."""
    rows = scope.limit(
        select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id), WebhookEndpoint
    )
    endpoint = await session.scalar(rows.with_for_update())
    if endpoint is not None:
        endpoint.failing_since = endpoint.failed_at = None
        endpoint.disabled_at = endpoint.disabled_reason = None
    return endpoint
