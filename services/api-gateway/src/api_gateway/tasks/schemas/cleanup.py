"""The answer to a task's cleanup, which the reference leaves open."""

from uuid import UUID

from pydantic import BaseModel


class TaskCleanupResponse(BaseModel):
    """What a cleanup removed."""

    task_id: UUID
    cleaned: bool
    deleted_paths: list[str]
