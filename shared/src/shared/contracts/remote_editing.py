"""Messages of edits by an outside provider that are parts of a task: each is a run `EditPicture`.

The worker of a refinement starts one for each try of each tile. Ids are deterministic, so that the
next worker joins the runs of a lost one and nothing is paid twice.
"""

from typing import Any
from uuid import UUID

from shared.contracts.enums import TaskType
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.service_requests import BilledUnits, ServiceRequest

EDIT_PICTURE = "EditPicture"
"""Workflow type of an edit."""
EDIT_ENDED = "edit_ended"
"""Signal to the run of the edit's task, with an `EditReport`."""


class PictureEdit(Message):
    """An edit of one picture by Gemini's image model."""

    task_id: UUID
    """The task that it is a part of."""
    task_type: TaskType
    """Type of that task."""
    parent_id: str
    """Workflow id of the run of that task, which receives the report."""
    name: str
    """Name in the Temporal UI: `tile 3, try 1`."""
    folder: str
    """Folder of its objects, below the task's."""
    prompt: str
    base_image: str
    """Object key of the picture to change."""
    reference_images: list[str] = []
    """Object keys of the pictures that the prompt refers to."""
    width: int
    height: int
    seed: int
    provider_config: dict[str, Any] = {}
    """Configuration of the provider `vertex`."""
    max_retries: int = 3
    owner: Owner


class EditedPicture(Message):
    """The result of an edit."""

    key: str
    """Object key of the picture."""


class EditReport(Message):
    """The calls of an edit that has ended, and the units billed for it."""

    task_id: UUID
    """The task that the edit is a part of."""
    edit_id: str
    """Workflow id of the edit."""
    service_requests: list[ServiceRequest] = []
    billed: list[BilledUnits] = []
