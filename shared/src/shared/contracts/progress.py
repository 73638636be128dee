"""Messages of the gateway's internal progress route; their delivery is not guaranteed."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TrainingStatus
from shared.contracts.message import Message
from shared.contracts.training import TrainingMetrics

MEMORY_EVERY = timedelta(seconds=30)
"""Maximal interval between a worker's memory reports."""


LOG_MAX_CHARS = 16 * 1024
"""Length of the end of a training's log, which its record shows."""


class ProgressKind(StrEnum):
    """Kinds of progress reports."""

    STARTED = "started"
    PROGRESS = "progress"


class TaskProgress(Message):
    """A report on one attempt. It is ignored once a later attempt runs or the task has ended."""

    task_id: UUID
    attempt: int = Field(ge=1)
    kind: ProgressKind
    progress: float = Field(default=0, ge=0, le=100)
    """Percentage done of this attempt. Never decreases."""
    executor_instance: str
    executor_type: str
    at: datetime


class TrainingProgress(Message):
    """A report on a running training. Each contains the whole state, so that reports may be lost.

    The first report of a stage sets the training's status.
    """

    training_id: UUID
    stage: Literal[TrainingStatus.PREPROCESSING, TrainingStatus.TRAINING]
    at: datetime
    preprocessing_stage: str | None = Field(default=None, max_length=40)
    """The stage of preprocessing: `downloading`, `captioning` …"""
    processed_files_count: int | None = Field(default=None, ge=0)
    total_files_count: int | None = Field(default=None, ge=0)
    current_step: int = Field(default=0, ge=0)
    """Steps trained so far. Never decreases in the database, though a resumed attempt goes back."""
    eta_seconds: int | None = Field(default=None, ge=0)
    logs: str | None = Field(default=None, max_length=LOG_MAX_CHARS)
    """The end of the log."""
    metrics: TrainingMetrics | None = None
    files: list[StoredFile] = Field(default=[], max_length=1000)
    """Files that were stored since the last report, so that clients can read them already."""


class MemoryReport(Message):
    """Memory use of a worker process."""

    identity: str = Field(max_length=255)
    """The worker's identity in Temporal."""
    rss_bytes: int = Field(ge=0, lt=2**63)
    """Resident memory."""
    vram_bytes: int | None = Field(default=None, ge=0, lt=2**63)
    """GPU memory. None: no GPU."""
    at: datetime


class ProgressBatch(Message):
    """The body of one request to the internal progress route."""

    reports: list[TaskProgress] = Field(default=[], max_length=1000)
    trainings: list[TrainingProgress] = Field(default=[], max_length=1000)
    memory: MemoryReport | None = None
