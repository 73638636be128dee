"""Trainings of a LoRA or of a full model on a client's pictures."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.contracts.enums import TrainingStatus
from shared.db.models.base import TENANT, Base, Origin, Timestamps


class Training(Base, Origin, Timestamps):
    """A training, from its source pictures to its file in the LoRA store."""

    __tablename__ = "trainings"
    __table_args__ = (
        Index("ix_trainings_newest", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_trainings_tenant", "origin_instance", "origin_tenant_id", text("created_at DESC")
        ),
        Index("ix_trainings_status", "status", text("created_at DESC")),
        Index(
            "ix_trainings_queued",
            TENANT,
            postgresql_where=text("status IN ('PENDING', 'PREPROCESSING', 'TRAINING')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    status: Mapped[str] = mapped_column(String(20), default=TrainingStatus.PENDING)
    training_type: Mapped[str] = mapped_column(String(20))
    entity_type: Mapped[str] = mapped_column(String(20))
    entity_id: Mapped[uuid.UUID | None]
    origin_version: Mapped[str | None]
    trigger_word: Mapped[str]
    rank: Mapped[int]
    steps: Mapped[int]
    learning_rate: Mapped[float]
    batch_size: Mapped[int] = mapped_column(default=1)
    gradient_accumulation: Mapped[int] = mapped_column(default=1)
    optimizer: Mapped[str] = mapped_column(String(40), default="adamw8bit")
    save_every: Mapped[int] = mapped_column(default=2000)
    max_step_saves_to_keep: Mapped[int] = mapped_column(default=4)
    sample_every: Mapped[int] = mapped_column(default=250)
    sample_steps: Mapped[int] = mapped_column(default=25)
    sample_prompts: Mapped[list[str]] = mapped_column(default=list)
    bypass_guidance_embedding: Mapped[bool] = mapped_column(default=False)
    operator_settings: Mapped[dict[str, Any] | None]
    """Further hyperparameters, by the names of `OperatorSettings`. None: the defaults."""
    base_model_path: Mapped[str]
    local_model_path: Mapped[str | None]
    """Path of the trained file in the LoRA store."""
    training_folder: Mapped[str] = mapped_column(default="")
    source_images: Mapped[list[str]] = mapped_column(default=list)
    picture_objects: Mapped[dict[str, Any] | None]
    """Object keys of saved pictures among the source images, by path."""
    processed_dataset_path: Mapped[str | None]
    preprocessing_transforms: Mapped[list[dict[str, Any]] | None]
    preprocessing_captioning_strategy: Mapped[str] = mapped_column(String(20))
    preprocessing_captioning_prompt: Mapped[str | None]
    preprocessing_stage: Mapped[str | None] = mapped_column(String(40))
    processed_files_count: Mapped[int | None]
    total_files_count: Mapped[int | None]
    preprocessing_started_at: Mapped[datetime | None]
    preprocessing_completed_at: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(default=0)
    current_step: Mapped[int] = mapped_column(default=0)
    eta_seconds: Mapped[int | None]
    priority: Mapped[int] = mapped_column(default=1)
    priority_changed_at: Mapped[datetime | None]
    metrics: Mapped[dict[str, Any] | None]
    """Latest figures of its run, by the names of `TrainingMetrics`."""
    logs: Mapped[str] = mapped_column(default="")
    error_message: Mapped[str | None]
    errors: Mapped[list[str]] = mapped_column(default=list)
    warnings: Mapped[list[str] | None]
    """Parts of the request that have less effect than expected, one sentence each."""
    webhook_url: Mapped[str | None] = mapped_column(String(512))
    temporal_id: Mapped[str] = mapped_column(String(64))
    """Workflow id of the Temporal run: `training-<uuid>`."""
    last_seq: Mapped[int] = mapped_column(default=0, server_default="0")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
