"""Bringing a task's remote pictures into our storage, before its first attempt."""

from abc import ABC, abstractmethod
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TaskType
from shared.contracts.message import Message


class FetchInputs(Message):
    """The URLs among a task's pictures."""

    task_id: UUID
    task_type: TaskType
    urls: list[str] = Field(max_length=1000)


class FetchedInputs(Message):
    """Where they lie now."""

    keys: dict[str, str]
    """Object key by URL."""
    files: list[StoredFile]


class InputActivities(ABC):
    """Activities of the workflow worker. Idempotent: keys derive from the task and the bytes."""

    @activity.defn(name="fetch_inputs")
    @abstractmethod
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        """Fetch every URL, check that it is a picture, and store it."""
