"""Webhooks: what waits to be delivered and what was, receivers that fail, signing keys."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared.contracts.deliveries import DeliveryStatus
from shared.db.models.base import Base
from shared.db.models.tables import Event


class TenantOwned:
    """Whose it is, as API keys are bound: an instance, and a tenant of it or none."""

    origin_instance: Mapped[str] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))


class WebhookDelivery(Base, TenantOwned):
    """One event on its way to one receiver; written in the event's own transaction."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("subject_id", "seq"),
        Index(
            "ix_webhook_deliveries_pending",
            "subject_id",
            "seq",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_deliveries_newest", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_webhook_deliveries_tenant",
            "origin_instance",
            "origin_tenant_id",
            text("created_at DESC"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    event_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("events.id", ondelete="CASCADE"), unique=True
    )
    subject_id: Mapped[uuid.UUID]
    subject_kind: Mapped[str] = mapped_column(String(20))
    seq: Mapped[int]
    """The event's place among those of its subject: the order of delivery."""
    event_type: Mapped[str] = mapped_column(String(40))
    url: Mapped[str] = mapped_column(String(512))
    """The receiver, as its subject named it when the event happened."""
    status: Mapped[str] = mapped_column(String(20), default=DeliveryStatus.PENDING)
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts that have failed since it was last asked for: by the event, or by a replay."""
    attempts: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    """The latest attempts: `at`, `status_code`, `ms`, `error`. No secrets, no answers' bodies."""
    next_attempt_at: Mapped[datetime | None]
    """None where it is not pending."""
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    event: Mapped[Event] = relationship()

    @property
    def webhook_id(self) -> str:
        """By which receivers recognise repeats: the same at every attempt."""
        return f"msg_{self.id.hex}"


class WebhookEndpoint(Base, TenantOwned):
    """A receiver that has failed at least once."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index(
            "uq_webhook_endpoints_url",
            "origin_instance",
            "origin_tenant_id",
            "url",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    url: Mapped[str] = mapped_column(String(512))
    failing_since: Mapped[datetime | None]
    """None: its last attempt succeeded."""
    failed_at: Mapped[datetime | None]
    """The last failure."""
    disabled_at: Mapped[datetime | None]
    """Since when it is called no more; none: it is called."""
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WebhookSecret(Base, TenantOwned):
    """The keys that sign a tenant's events, encrypted."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        Index(
            "uq_webhook_secrets_current",
            "origin_instance",
            "origin_tenant_id",
            unique=True,
            postgresql_where=text("expires_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_webhook_secrets_owner", "origin_instance", "origin_tenant_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    sealed_secret: Mapped[str]
    """Key of the HMAC."""
    sealed_seed: Mapped[str]
    """Private key of Ed25519."""
    expires_at: Mapped[datetime | None]
    """Until when it signs along; none: it is the current one."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
