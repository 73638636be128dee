"""What workers tell of themselves that Temporal does not know."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class WorkerMemory(Base):
    """The newest report of one worker process on its memory."""

    __tablename__ = "worker_memory"

    identity: Mapped[str] = mapped_column(String(255), primary_key=True)
    rss_bytes: Mapped[int] = mapped_column(BigInteger)
    """Resident memory of the process."""
    vram_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """GPU memory that the process has taken, where it has a GPU."""
    reported_at: Mapped[datetime]
