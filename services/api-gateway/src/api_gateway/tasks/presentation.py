"""A task's row as clients see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from api_gateway.recorded import members, shown
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.unions import SCHEMAS
from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.tasks import TaskRow

_RENAMED = frozenset({"celery_task_id", "workflow_id"})
_EMPTY: dict[Any, Any] = {str: "", int: 0, float: 0.0, list[str]: []}
_COLUMNS = tuple(name for name in TaskPublicBase.model_fields if name not in _RENAMED)
_column_values = attrgetter(*_COLUMNS)


@dataclass(frozen=True)
class _Answer:
    """How tasks of one type are answered."""

    task_type: TaskType
    schema: type[TaskPublicBase]
    record_field: Mapping[str, str]
    """The names of its pictures in answers, by those in requests."""
    results: frozenset[str]
    """Its result fields. What an app on fal says besides is there for mappings alone: it may have
    any names, the record's own among them."""
    empty: Mapping[str, Any]
    """What its required fields have while there is nothing."""

    @classmethod
    def of_type(cls, task_type: TaskType, schema: type[TaskPublicBase]) -> "_Answer":
        """What follows from the schemas: found once, since clients poll."""
        row = TASK_TYPES[task_type]
        return cls(
            task_type,
            schema,
            {field.name: field.record_field for field in row.pictures},
            frozenset(row.results.model_fields),
            {
                name: _EMPTY.get(field.annotation)
                for name, field in schema.model_fields.items()
                if field.is_required()
            },
        )


_ANSWERS: dict[str, _Answer] = {
    task_type: _Answer.of_type(task_type, schemas.public) for task_type, schemas in SCHEMAS.items()
}


def present_task(task: Task | TaskRow) -> TaskPublicBase:
    """The answer for a task, by its type's schema."""
    answer = _ANSWERS[task.task_type]
    inputs, results = members(task.inputs), members(task.results)
    provider_config = members(task.provider_config)
    fields: dict[str, Any] = dict(zip(_COLUMNS, _column_values(task), strict=True))
    for name, value in inputs.items():
        fields[answer.record_field.get(name, name)] = value
    for name in answer.results & results.keys():
        fields[name] = results[name]
    fields["task_type"] = answer.task_type
    fields["celery_task_id"] = task.temporal_id
    if task.workflow_id:
        fields["workflow_id"] = str(task.workflow_id)
    fields["fal_app_id"] = inputs.get("fal_app_id") or provider_config.get("fal_app_id")
    fields["fal_request_id"] = provider_config.get("fal_request_id")
    references = inputs.get("reference_images")
    if answer.task_type is TaskType.EDITING and references and isinstance(references, list):
        # Deprecated: clients from before there were several read the first one here.
        fields["reference_image_path"] = references[0]
    for name, nothing in answer.empty.items():
        # What an earlier step of a workflow will give is empty until then.
        if fields.get(name) is None:
            fields[name] = nothing
    return shown(answer.schema, fields)
