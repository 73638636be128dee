"""Base messages of attempts: the request and the result that every task type extends."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contracts.enums import ProviderType
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.provenance import Provenance
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.contracts.untrusted import ErrorText


class AttemptRequest(Message):
    """A request to run one attempt at a task. The message of each task type adds its inputs."""

    task_id: UUID
    attempt: int
    provider_type: ProviderType | None = None
    provider_config: dict[str, Any] = {}
    owner: Owner | None = None


class StoredFile(Message):
    """One object that an attempt wrote."""

    key: str
    size_bytes: int
    content_type: str
    sha256: str


class AttemptResult(Message):
    """The result of an attempt. The workflow worker writes it to the database."""

    started_at: datetime
    executor_instance: str
    executor_type: str
    files: list[StoredFile] = []
    provenance: Provenance | None = None
    """Provenance of the files. None: the worker does not report it."""
    faults: list[ErrorText] = []
    """Errors of the items of a batch that failed because of the request. The task fails with these
    errors and keeps the results of the other items."""
    warnings: list[ErrorText] = []
    """Parts of the request that had less effect than expected, one sentence each."""
    service_requests: list[ServiceRequest] = []
    """Calls to outside services; of remote work those since the submission."""
    billed: list[BilledUnits] = []
    """Units that outside services billed for the attempt."""

    def fields(self) -> dict[str, Any]:
        """Return the result fields of the task, by their REST names."""
        return self.model_dump(mode="json", exclude=set(AttemptResult.model_fields))


class PictureResults(Message):
    """One picture, or several if several were requested."""

    result_image_path: str = Field(description="Path of the picture, or of the first picture")
    result_image_paths: list[str] | None = Field(
        default=None, description="Paths of all pictures, if the task can produce several"
    )


class PictureResult(PictureResults, AttemptResult):
    """The result of an attempt that produces pictures."""
