"""Webhooks: deliveries, failing receivers and signing keys."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared.contracts.deliveries import DeliveryStatus
from shared.db.models.base import Base
from shared.db.models.tables import Event


class TenantOwned:
    """The owner, like the binding of API keys: an instance, and optionally a tenant of it."""

    origin_instance: Mapped[str] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))


class WebhookDelivery(Base, TenantOwned):
    """The delivery of one event to one receiver; written in the event's transaction."""

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
    """The event's sequence number within its subject: the order of delivery."""
    event_type: Mapped[str] = mapped_column(String(40))
    url: Mapped[str] = mapped_column(String(512))
    """URL of the receiver: the subject's webhook at the time of the event."""
    status: Mapped[str] = mapped_column(String(20), default=DeliveryStatus.PENDING)
    failures: Mapped[int] = mapped_column(default=0)
    """Failed attempts since the event or its last replay."""
    attempts: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    """The latest attempts: `at`, `status_code`, `ms`, `error`. No secrets or response bodies."""
    next_attempt_at: Mapped[datetime | None]
    """None: not pending."""
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    event: Mapped[Event] = relationship()

    @property
    def webhook_id(self) -> str:
        """The id by which receivers recognise duplicates: the same for all attempts."""
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
    """Start of its present run of failures. None: the last attempt succeeded."""
    failed_at: Mapped[datetime | None]
    """Time of the last failure."""
    disabled_at: Mapped[datetime | None]
    """Time since when nothing is sent to it. None: enabled."""
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WebhookSecret(Base, TenantOwned):
    """The signing keys of a tenant, encrypted."""

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
    """HMAC key."""
    sealed_seed: Mapped[str]
    """Ed25519 private key."""
    expires_at: Mapped[datetime | None]
    """End of validity. None: the current keys."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
