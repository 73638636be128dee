"""Idempotency keys: the response to a create request, stored for its retries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class IdempotencyKey(Base):
    """One create request of one client; written in the transaction that creates the resource."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    owner: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Tenant or API key that the idempotency key belongs to."""
    route: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the canonical request."""
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Body of the first response. Not JSONB, which would change the order of fields."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
