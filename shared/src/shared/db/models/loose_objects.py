"""Objects that may have no owner, so that a sweep can delete what a crash left behind.

An object is noted here before it is written, and in the transaction that removes its owner. The
transaction that gives it an owner removes the note.
"""

from datetime import datetime

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class LooseObject(Base):
    """An object, or a folder that is no longer written to."""

    __tablename__ = "loose_objects"
    __table_args__ = (Index("ix_loose_objects_oldest", "noted_at"),)

    key: Mapped[str] = mapped_column(String(1024, collation="C"), primary_key=True)
    """Object key; for a folder, its prefix with a trailing slash."""
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())
