"""Notes of objects that may be nobody's: what a crash leaves between the two stores is among them.

An object is noted before its bytes are written, and in the transaction that lets go of it. The
transaction that makes somebody its owner removes the note.
"""

from datetime import datetime

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class LooseObject(Base):
    """One object, or a folder that nobody writes to any more."""

    __tablename__ = "loose_objects"
    __table_args__ = (Index("ix_loose_objects_oldest", "noted_at"),)

    key: Mapped[str] = mapped_column(String(1024, collation="C"), primary_key=True)
    """The object's key; of a folder, with a slash at its end."""
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())
