"""What every attempt gets and gives, whoever runs it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contracts.enums import ProviderType
from shared.contracts.message import Message
from shared.contracts.provenance import Provenance
from shared.contracts.untrusted import ErrorText


class AttemptRequest(Message):
    """One attempt at a task; the message of each task type adds its inputs."""

    task_id: UUID
    attempt: int
    provider_type: ProviderType | None = None
    provider_config: dict[str, Any] = {}


class StoredFile(Message):
    """One object that an attempt wrote."""

    key: str
    size_bytes: int
    content_type: str
    sha256: str


class AttemptResult(Message):
    """The durable truth of an attempt; the workflow worker writes it into the records."""

    started_at: datetime
    executor_instance: str
    executor_type: str
    files: list[StoredFile] = []
    provenance: Provenance | None = None
    """How the files were made; none where the worker does not say."""
    faults: list[ErrorText] = []
    """What of a batch could not be done, since the request is at fault: the task fails with these
    as its errors, and keeps what was done."""
    warnings: list[ErrorText] = []
    """What of the request had less effect than its sender may think, a sentence each."""

    def fields(self) -> dict[str, Any]:
        """The result fields of the task, by their REST names."""
        return self.model_dump(mode="json", exclude=set(AttemptResult.model_fields))


class PictureResults(Message):
    """One picture, or several where they were asked for."""

    result_image_path: str = Field(description="The picture, or the first one")
    result_image_paths: list[str] | None = Field(
        default=None, description="All pictures, where there can be several"
    )


class PictureResult(PictureResults, AttemptResult):
    """An attempt that made pictures."""
