"""A step's config against its task type's create schema, less the fields that are mapped."""

from functools import cache
from typing import Any

from pydantic import ValidationError, create_model

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.workflows.schemas import CreateWorkflow, WorkflowStepDefinition
from shared.contracts.enums import TaskType
from shared.contracts.error_text import describe_fault
from shared.contracts.pictures import field_meant
from shared.contracts.task_types.shapes import placeholder
from shared.contracts.task_types.table import TASK_TYPES


@cache
def _schema(task_type: TaskType, mapped: frozenset[str]) -> type[CreateTaskBase]:
    schema, row = SCHEMAS[task_type].create, TASK_TYPES[task_type]
    fields: dict[str, Any] = {
        name: (Any, placeholder(row, name)) for name in mapped & schema.model_fields.keys()
    }
    return create_model(schema.__name__, __base__=schema, **fields)


def validate_step(
    step: WorkflowStepDefinition, workflow: CreateWorkflow, origin: Origin
) -> tuple[CreateTaskBase | None, list[Fault]]:
    """The step as a create request of its type, or what is wrong with it, placed in the step."""
    mapped = frozenset(mapping.to_field for mapping in step.input_mappings)
    schema = _schema(step.task_type, mapped)
    known = schema.model_fields
    body = {name: value for name, value in step.config.items() if name in known}
    body = {n: value for n, value in body.items() if field_meant(step.task_type, n) not in mapped}
    # Keys that are no field of the request are the engine's: the same `config` as a task's own.
    nested = step.config.get("config")
    loose = {name: value for name, value in step.config.items() if name not in known}
    body["config"] = loose | (nested if isinstance(nested, dict) else {})
    choice = step.model_dump(
        include={
            "provider_config",
            "active_provider_capabilities",
            "fallback_provider_type",
            "fallback_provider_config",
            "fallback_provider_capabilities",
        },
        exclude_none=True,
    )
    body |= choice | {"task_type": step.task_type, "origin_instance": origin.origin_instance}
    if workflow.webhook_url and not workflow.suppress_subtask_events:
        body["webhook_url"] = workflow.webhook_url
    try:
        return schema.model_validate(body), []
    except ValidationError as error:
        return None, [_fault(dict(fault)) for fault in error.errors()]


def _fault(fault: dict[str, Any]) -> Fault:
    loc: tuple[str | int, ...] = fault["loc"]
    place = loc if loc and str(loc[0]).endswith("provider_config") else ("config", *loc)
    return Fault(place, describe_fault(fault), fault["type"])
