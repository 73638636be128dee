"""Outbox of webhook deliveries: pending ones in order, and the log of past ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from shared.contracts.deliveries import DeliveryStatus, SubjectKind
from shared.db.announcements import Announcement, announce
from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training
from shared.db.models.webhooks import WebhookDelivery, WebhookEndpoint
from shared.db.repositories.scope import Scope
from shared.db.repositories.webhook_endpoints import endpoint_of

KEPT_FOR = timedelta(days=90)
_ATTEMPTS_KEPT = 50
_SWEPT_AT_ONCE = 10_000
_PENDING = WebhookDelivery.status == DeliveryStatus.PENDING


def queue_delivery(
    session: AsyncSession, subject: Task | Workflow | Training, event: Event
) -> None:
    """Queue an event for delivery if its subject has a webhook, in the event's transaction."""
    if not subject.webhook_url:
        return
    now = datetime.now(UTC)
    session.add(
        WebhookDelivery(
            event=event,
            subject_id=event.subject_id,
            subject_kind=event.subject_kind,
            seq=event.seq,
            event_type=event.event_type,
            url=subject.webhook_url,
            origin_instance=subject.origin_instance,
            origin_tenant_id=subject.origin_tenant_id,
            next_attempt_at=now,
            created_at=now,
        )
    )
    announce(
        session,
        Announcement(
            event.subject_id,
            SubjectKind(event.subject_kind),
            subject.origin_instance,
            subject.origin_tenant_id,
        ),
    )


async def next_delivery(
    session: AsyncSession, subject_id: UUID
) -> tuple[WebhookDelivery, WebhookEndpoint | None] | None:
    """Return a subject's oldest pending delivery with its event, and its receiver if it failed."""
    found = await session.execute(
        select(WebhookDelivery, WebhookEndpoint)
        .join(WebhookDelivery.event)
        .outerjoin(WebhookEndpoint, endpoint_of(WebhookDelivery))
        .where(WebhookDelivery.subject_id == subject_id, _PENDING)
        .options(contains_eager(WebhookDelivery.event))
        .order_by(WebhookDelivery.seq)
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


async def lock_pending(session: AsyncSession, delivery_id: UUID) -> WebhookDelivery | None:
    """Lock a delivery, and return it; none if it is no longer pending."""
    rows = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id, _PENDING)
    return await session.scalar(rows.with_for_update())


def log_attempt(delivery: WebhookDelivery, attempt: dict[str, Any]) -> None:
    """Append an attempt to a delivery's log, which keeps the latest 50."""
    delivery.attempts = [*delivery.attempts, attempt][-_ATTEMPTS_KEPT:]


def end_delivery(delivery: WebhookDelivery, status: DeliveryStatus) -> None:
    """Set the final status of a delivery: there are no more attempts."""
    delivery.status, delivery.next_attempt_at = status, None


async def disable_pending(session: AsyncSession, subject_id: UUID, url: str) -> None:
    """End a subject's pending deliveries to a receiver that was disabled."""
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.subject_id == subject_id, WebhookDelivery.url == url, _PENDING)
        .values(status=DeliveryStatus.DISABLED, next_attempt_at=None)
    )


def replay_delivery(session: AsyncSession, delivery: WebhookDelivery) -> None:
    """Queue a delivered or failed event again, under the same webhook id."""
    delivery.status, delivery.failures = DeliveryStatus.PENDING, 0
    delivery.next_attempt_at, delivery.delivered_at = datetime.now(UTC), None
    announce(
        session,
        Announcement(
            delivery.subject_id,
            delivery.subject_kind,
            delivery.origin_instance,
            delivery.origin_tenant_id,
            is_replay=True,
        ),
    )


async def find_delivery(
    session: AsyncSession, scope: Scope, delivery_id: UUID, *, is_locked: bool = False
) -> WebhookDelivery | None:
    """Return a delivery with its event."""
    rows = (
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id)
        .join(WebhookDelivery.event)
        .options(contains_eager(WebhookDelivery.event))
    )
    rows = scope.limit(rows, WebhookDelivery)
    return await session.scalar(rows.with_for_update(of=WebhookDelivery) if is_locked else rows)


@dataclass(frozen=True)
class DeliveryFilters:
    """Filters of a list of deliveries."""

    subject_id: UUID | None = None
    status: DeliveryStatus | None = None


async def list_deliveries(
    session: AsyncSession, scope: Scope, filters: DeliveryFilters, *, skip: int, limit: int
) -> Sequence[WebhookDelivery]:
    """Return one page of deliveries, newest first."""
    rows = scope.limit(select(WebhookDelivery), WebhookDelivery)
    if filters.subject_id is not None:
        rows = rows.where(WebhookDelivery.subject_id == filters.subject_id)
    if filters.status is not None:
        rows = rows.where(WebhookDelivery.status == filters.status)
    newest = rows.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
    return list(await session.scalars(newest.offset(skip).limit(limit)))


async def overdue_subjects(
    session: AsyncSession, before: datetime, after: UUID | None, *, limit: int
) -> Sequence[Row[Any]]:
    """Return one page of subjects whose oldest pending delivery is overdue, ordered by id.

    Args:
        session: for reading.
        before: time before which the delivery must have been due.
        after: id of the last subject of the previous page.
        limit: size of the page.
    """
    oldest = (
        select(
            WebhookDelivery.subject_id,
            WebhookDelivery.subject_kind,
            WebhookDelivery.origin_instance,
            WebhookDelivery.origin_tenant_id,
            WebhookDelivery.next_attempt_at,
        )
        .ext(distinct_on(WebhookDelivery.subject_id))
        .where(_PENDING, *([WebhookDelivery.subject_id > after] if after else []))
        .order_by(WebhookDelivery.subject_id, WebhookDelivery.seq)
        .subquery()
    )
    rows = select(oldest).where(oldest.c.next_attempt_at < before)
    return (await session.execute(rows.order_by(oldest.c.subject_id).limit(limit))).all()


async def sweep_deliveries(session: AsyncSession) -> int:
    """Delete deliveries older than the retention period, up to 10 000; return their number."""
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.created_at < datetime.now(UTC) - KEPT_FOR)
        .limit(_SWEPT_AT_ONCE)
    )
    result = await session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)),
        execution_options={"synchronize_session": False},
    )
    return result.rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] -- a DELETE has one


async def redirect_steps(
    session: AsyncSession, scope: Scope, workflow_id: UUID, url: str | None
) -> None:
    """Set another webhook URL for a workflow's steps, unless their events are suppressed."""
    rows = (
        select(Task)
        .join(Workflow, Task.workflow_id == Workflow.id)
        .where(Workflow.id == workflow_id, Workflow.suppress_subtask_events.is_(False))
        .order_by(Task.id)  # as a cancellation locks them
    )
    for task in await session.scalars(scope.limit(rows, Task).with_for_update(of=Task)):
        task.webhook_url = url
