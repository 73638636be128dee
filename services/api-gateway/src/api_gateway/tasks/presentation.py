"""A task's row as clients see it."""

from typing import Any

from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.unions import PUBLIC_SCHEMAS
from shared.contracts.enums import TaskType
from shared.contracts.pictures import PICTURE_FIELDS
from shared.db.models.tables import Task
from shared.db.repositories.tasks import TaskRow

_RENAMED = frozenset({"celery_task_id", "workflow_id"})
_EMPTY: dict[Any, Any] = {str: "", int: 0, float: 0.0, list[str]: []}
_COLUMNS = tuple(name for name in TaskPublicBase.model_fields if name not in _RENAMED)


def present_task(task: Task | TaskRow) -> TaskPublicBase:
    """The answer for a task, by its type's schema."""
    task_type = TaskType(task.task_type)
    provider_config = task.provider_config or {}
    answered_as = {field.name: field.answered_as for field in PICTURE_FIELDS[task_type]}
    fields: dict[str, Any] = {name: getattr(task, name) for name in _COLUMNS}
    fields |= {answered_as.get(name, name): value for name, value in task.inputs.items()}
    fields |= task.results
    fields |= {
        "task_type": task_type,
        "celery_task_id": task.temporal_id,
        "workflow_id": str(task.workflow_id) if task.workflow_id else fields.get("workflow_id"),
        "fal_app_id": task.inputs.get("fal_app_id") or provider_config.get("fal_app_id"),
        "fal_request_id": provider_config.get("fal_request_id"),
    }
    if task_type == TaskType.EDITING and task.inputs.get("reference_images"):
        # Deprecated: clients from before there were several read the first one here.
        fields["reference_image_path"] = task.inputs["reference_images"][0]
    schema = PUBLIC_SCHEMAS[task_type]
    for name, field in schema.model_fields.items():
        # What an earlier step of a workflow will give is empty until then.
        if field.is_required() and fields.get(name) is None:
            fields[name] = _EMPTY.get(field.annotation)
    return schema.model_validate(fields)
