"""The declarative base, and the columns that several tables share."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, MetaData, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TENANT = text("coalesce(origin_tenant_id, origin_instance)")
"""Who counts as one tenant where work is shared out, as in `shared.temporal.fairness`."""


class Base(DeclarativeBase):
    """Every table; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 — SQLAlchemy's own protocol
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[str]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB(none_as_null=True),
        str: Text,
    }


class Timestamps:
    """When a row was made and last changed."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), onupdate=lambda: datetime.now(UTC)
    )


class Origin:
    """Whom a row belongs to, in the client's own words; a bound API key sees only its own."""

    origin_instance: Mapped[str] = mapped_column(String(100))
    origin_zone: Mapped[str | None] = mapped_column(String(50))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    origin_reference: Mapped[str | None] = mapped_column(String(512))


class ProviderChoice:
    """Who runs it, and who runs it instead once the first has failed for good."""

    provider_config: Mapped[dict[str, Any] | None]
    active_provider_capabilities: Mapped[list[str] | None]
    fallback_provider_type: Mapped[str | None] = mapped_column(String(50))
    fallback_provider_config: Mapped[dict[str, Any] | None]
    fallback_provider_capabilities: Mapped[list[str] | None]


class Deletion:
    """Cleaned up: the files are gone, the record stays and is hidden from lists."""

    is_deleted: Mapped[bool] = mapped_column(default=False, server_default="false")
    deleted_at: Mapped[datetime | None]
