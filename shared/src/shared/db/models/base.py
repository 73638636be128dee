"""Declarative base, and columns that several tables share."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, MetaData, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TENANT = text("coalesce(origin_tenant_id, origin_instance)")
"""Name of the tenant for fair sharing, as in `shared.temporal.fairness`."""


class Base(DeclarativeBase):
    """Base class of all tables. Constraint names follow a convention for use in migrations."""

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
    """Times of a row's creation and last change."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), onupdate=lambda: datetime.now(UTC)
    )


class Origin:
    """The owner of a row, as the client named it. A bound API key can only see its own rows."""

    origin_instance: Mapped[str] = mapped_column(String(100))
    origin_zone: Mapped[str | None] = mapped_column(String(50))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    origin_reference: Mapped[str | None] = mapped_column(String(512))


class ProviderChoice:
    """The provider, and the fallback provider used if the first one fails for good."""

    provider_config: Mapped[dict[str, Any] | None]
    active_provider_capabilities: Mapped[list[str] | None]
    fallback_provider_type: Mapped[str | None] = mapped_column(String(50))
    fallback_provider_config: Mapped[dict[str, Any] | None]
    fallback_provider_capabilities: Mapped[list[str] | None]


class Deletion:
    """Soft deletion: the files are removed, the row is kept and hidden from lists."""

    is_deleted: Mapped[bool] = mapped_column(default=False, server_default="false")
    deleted_at: Mapped[datetime | None]
