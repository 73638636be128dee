"""Task rows in their public schemas."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from api_gateway.recorded import from_record, members
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.unions import SCHEMAS
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.table import named_app
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.db.repositories.tasks import TaskRow

_RENAMED = frozenset({"celery_task_id", "workflow_id"})
_EMPTY: dict[Any, Any] = {str: "", int: 0, float: 0.0, list[str]: []}
_COLUMNS = tuple(name for name in TaskPublicBase.model_fields if name not in _RENAMED)
_column_values = attrgetter(*_COLUMNS)


@dataclass(frozen=True)
class _Presentation:
    """Presentation of one task type, derived from its schemas."""

    task_type: TaskType
    schema: type[TaskPublicBase]
    record_field: Mapping[str, str]
    """Response fields of the images, by their fields in requests."""
    results: frozenset[str]
    """Result fields of the type. Other results of an app on fal are available to mappings only:
    they may have any name, even that of a column."""
    empty: Mapping[str, Any]
    """Values of its required fields while they are empty."""

    @classmethod
    def of_type(cls, task_type: TaskType, schema: type[TaskPublicBase]) -> "_Presentation":
        """Derive the presentation from the schemas; done once, since clients poll."""
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


_PRESENTATIONS: dict[str, _Presentation] = {
    task_type: _Presentation.of_type(task_type, schemas.public)
    for task_type, schemas in SCHEMAS.items()
}


def present_task(task: Task | TaskRow) -> TaskPublicBase:
    """Return a task in its type's public schema."""
    presentation = _PRESENTATIONS[task.task_type]
    inputs, results = members(task.inputs), members(task.results)
    provider_config = members(task.provider_config)
    fields: dict[str, Any] = dict(zip(_COLUMNS, _column_values(task), strict=True))
    for name, value in inputs.items():
        fields[presentation.record_field.get(name, name)] = value
    for name in presentation.results & results.keys():
        fields[name] = results[name]
    fields["task_type"] = presentation.task_type
    fields["celery_task_id"] = task.temporal_id
    if task.workflow_id:
        fields["workflow_id"] = str(task.workflow_id)
    fields["fal_app_id"] = inputs.get("fal_app_id") or named_app(
        provider_config, {"config": fields["config"]}
    )
    fields["fal_request_id"] = provider_config.get("fal_request_id")
    references = inputs.get("reference_images")
    if presentation.task_type is TaskType.EDITING and references and isinstance(references, list):
        # Deprecated: old clients read the first reference image here.
        fields["reference_image_path"] = references[0]
    for name, empty in presentation.empty.items():
        # A mapped field is empty until the earlier step has given it.
        if fields.get(name) is None:
            fields[name] = empty
    return from_record(presentation.schema, fields)
