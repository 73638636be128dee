"""What a worker tells the gateway's internal route while it runs: lossy by design."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.enums import TrainingStatus
from shared.contracts.message import Message

MEMORY_EVERY = timedelta(seconds=30)
"""A worker tells of its memory at least so often."""


class ProgressKind(StrEnum):
    """Why a worker speaks."""

    STARTED = "started"
    PROGRESS = "progress"


class TaskProgress(Message):
    """One report on one attempt; a later attempt or a terminal state makes it void."""

    task_id: UUID
    attempt: int = Field(ge=1)
    kind: ProgressKind
    progress: float = Field(default=0, ge=0, le=100)
    """Per cent done within this attempt; never falls."""
    executor_instance: str
    executor_type: str
    at: datetime


class TrainingProgress(Message):
    """One report on a running training; each says its stage, so that a later one mends a lost one.

    The first report of a stage is what makes the training's status that stage's.
    """

    training_id: UUID
    stage: Literal[TrainingStatus.PREPROCESSING, TrainingStatus.TRAINING]
    at: datetime
    preprocessing_stage: str | None = Field(default=None, max_length=40)
    """What preprocessing is at: `downloading`, `captioning` …"""
    processed_files_count: int | None = Field(default=None, ge=0)
    total_files_count: int | None = Field(default=None, ge=0)
    current_step: int = Field(default=0, ge=0)
    """Steps trained so far; never falls in the records, though a resumed attempt goes back."""
    eta_seconds: int | None = Field(default=None, ge=0)


class MemoryReport(Message):
    """How much memory a worker process has taken."""

    identity: str = Field(max_length=255)
    """The process, as it names itself to Temporal."""
    rss_bytes: int = Field(ge=0, lt=2**63)
    """Resident memory."""
    vram_bytes: int | None = Field(default=None, ge=0, lt=2**63)
    """GPU memory; none: it has no GPU."""
    at: datetime


class ProgressBatch(Message):
    """What one request to the internal route carries."""

    reports: list[TaskProgress] = Field(default=[], max_length=1000)
    trainings: list[TrainingProgress] = Field(default=[], max_length=1000)
    memory: MemoryReport | None = None
