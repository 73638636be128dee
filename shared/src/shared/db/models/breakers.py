"""Circuit breakers of providers."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base, Timestamps


class ProviderBreaker(Base, Timestamps):
    """The breaker of a provider. Without a row it is closed, with no failures."""

    __tablename__ = "provider_breakers"

    provider_type: Mapped[str] = mapped_column(String(50), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    successes: Mapped[int] = mapped_column(default=0, server_default="0")
    opened_at: Mapped[datetime | None]
    probing_since: Mapped[datetime | None]
