"""A task's row as clients see it."""

from typing import Any

from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.unions import PUBLIC_SCHEMAS
from shared.contracts.enums import TaskType
from shared.db.models.tables import Task

_ANSWERED_AS = {
    "reference_image_url": "reference_image_path",
    "base_image_url": "base_image_path",
}
"""Inputs that come as URLs or bytes and are answered as paths."""

_RENAMED = frozenset({"celery_task_id", "workflow_id"})
_COLUMNS = tuple(name for name in TaskPublicBase.model_fields if name not in _RENAMED)


def present_task(task: Task) -> TaskPublicBase:
    """The answer for a task, by its type's schema."""
    provider_config = task.provider_config or {}
    fields: dict[str, Any] = {name: getattr(task, name) for name in _COLUMNS}
    fields |= {_ANSWERED_AS.get(name, name): value for name, value in task.inputs.items()}
    fields |= task.results
    fields |= {
        "task_type": task.task_type,
        "celery_task_id": task.temporal_id,
        "workflow_id": str(task.workflow_id) if task.workflow_id else None,
        "fal_app_id": provider_config.get("fal_app_id"),
        "fal_request_id": provider_config.get("fal_request_id"),
    }
    return PUBLIC_SCHEMAS[TaskType(task.task_type)].model_validate(fields)
