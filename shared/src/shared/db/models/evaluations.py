"""Evaluations: the outcome of each, for the evaluator's health statistics. No pictures or texts."""

import uuid
from datetime import datetime

from sqlalchemy import Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class Evaluation(Base):
    """One evaluation that a worker ran, successful or not."""

    __tablename__ = "evaluations"
    __table_args__ = (
        Index("ix_evaluations_newest", text("created_at DESC")),
        Index("ix_evaluations_provider", "provider", text("created_at DESC")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(50))
    success: Mapped[bool]
    duration_ms: Mapped[float]
    """From start to response, including the wait for a free worker."""
    error: Mapped[str | None]
    origin_instance: Mapped[str] = mapped_column(String(100))
    """Instance that the client's API key is bound to; `unknown` if it is not bound."""
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
