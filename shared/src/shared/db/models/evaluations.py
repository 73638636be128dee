"""Evaluations: how each went, for the figures of the evaluator's health. No picture, no text."""

import uuid
from datetime import datetime

from sqlalchemy import Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class Evaluation(Base):
    """One picture that an evaluator took, whether it succeeded or failed."""

    __tablename__ = "evaluations"
    __table_args__ = (
        Index("ix_evaluations_newest", text("created_at DESC")),
        Index("ix_evaluations_provider", "provider", text("created_at DESC")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(String(50))
    success: Mapped[bool]
    duration_ms: Mapped[float]
    """From its start to its answer, the wait for a free evaluator included."""
    error: Mapped[str | None]
    origin_instance: Mapped[str] = mapped_column(String(100))
    """What the caller's key is bound to; `unknown` where it is bound to none."""
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
