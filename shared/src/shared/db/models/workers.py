"""Memory reports of workers, which Temporal does not have."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base


class WorkerMemory(Base):
    """The newest memory report of a worker process."""

    __tablename__ = "worker_memory"

    identity: Mapped[str] = mapped_column(String(255), primary_key=True)
    rss_bytes: Mapped[int] = mapped_column(BigInteger)
    """Resident memory of the process."""
    vram_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """GPU memory of the process. None: no GPU."""
    reported_at: Mapped[datetime]
