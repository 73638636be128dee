"""The search rules for unknown fields in the bodies of workflow routes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends

from api_gateway.ignored.dependency import FieldCheck
from api_gateway.ignored.report import IgnoredField, IgnoredFields
from api_gateway.ignored.search import InnerObject, Place, Search, SearchRules
from api_gateway.request_fields import canonical_task_type
from api_gateway.tasks.ignored_fields import RULES as TASK_RULES
from api_gateway.tasks.ignored_fields import engine_config
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.workflows.schemas import (
    CreateWorkflow,
    WorkflowPublic,
    WorkflowStepDefinition,
    WorkflowUpdate,
)
from shared.contracts.enums import TaskType


def _step_config(step: Mapping[str, Any]) -> InnerObject | None:
    """Return the schema of a step's config: its task type's fields and its engine's keys."""
    task_type = canonical_task_type(step.get("task_type"))
    if not isinstance(task_type, str) or task_type not in SCHEMAS:
        return None
    kind = TaskType(task_type)
    return InnerObject(SCHEMAS[kind].create, engine_config(kind))


RULES: SearchRules = replace(
    TASK_RULES,
    fixed={
        WorkflowUpdate: frozenset(WorkflowPublic.model_fields.keys() | CreateWorkflow.model_fields)
    },
    inner={(WorkflowStepDefinition, "config"): _step_config},
)
FIELD_CHECK = Depends(FieldCheck(RULES))
Ignored = Annotated[IgnoredFields, FIELD_CHECK]


def unknown_in_step(
    task_type: str, config: Mapping[str, Any], place: Place
) -> Iterator[IgnoredField]:
    """Yield the fields of a step's config that its task type does not know.

    Args:
        task_type: the step's task type.
        config: JSON, valid or not.
        place: its location in the body.
    """
    inner = _step_config({"task_type": task_type})
    if inner is not None:
        yield from Search(RULES).within(inner.schema, config, place, inner.keys)
