"""LoRA files by name. The contents are objects by digest: `loras/sha256/<digest>`."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import Base, Timestamps


class Lora(Base, Timestamps):
    """A name in the LoRA store or its bin. Several names may share one object."""

    __tablename__ = "loras"
    __table_args__ = (
        Index(
            "uq_loras_folder_name",
            "folder",
            "filename",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_loras_newest", text("created_at DESC"), text("id DESC")),
        Index("ix_loras_sha256", "sha256"),
        Index("ix_loras_training", "training_id", postgresql_where=text("training_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    folder: Mapped[str] = mapped_column(String(40))
    """Folder, such as `identities` or `product`: the first part of the partial path."""
    filename: Mapped[str] = mapped_column(String(255))
    original_filename: Mapped[str] = mapped_column(String(255))
    """File name as uploaded, before versioning and conversion."""
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    rank: Mapped[int | None]
    """The greatest rank of its pairs."""
    base_model: Mapped[str | None] = mapped_column(String(100))
    """A guess from the tensor names."""
    target_modules: Mapped[list[str]] = mapped_column(default=list)
    file_metadata: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Metadata in the safetensors header."""
    training_id: Mapped[uuid.UUID | None]
    """The training whose result it is."""
    origin_instance: Mapped[str | None] = mapped_column(String(100))
    origin_tenant_id: Mapped[str | None] = mapped_column(String(100))
    deleted_at: Mapped[datetime | None]
    """Time of deletion (move to the bin)."""
