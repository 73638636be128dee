"""What a worker tells the gateway's internal route while it runs: lossy by design."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Message


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


class ProgressBatch(Message):
    """What one request to the internal route carries."""

    reports: list[TaskProgress] = Field(max_length=1000)
