"""The search rules for unknown fields in the bodies of task routes."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from fastapi import Depends

from api_gateway.ignored.dependency import FieldCheck
from api_gateway.ignored.report import IgnoredFields
from api_gateway.ignored.schemas import Schema, nested_schemas
from api_gateway.ignored.search import SearchRules
from api_gateway.request_fields import JsonObject, object_or_none
from api_gateway.tasks.schemas.provider_choice import ProviderChoice
from api_gateway.tasks.schemas.unions import SCHEMAS, create_schema_of
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.table import has_apps
from shared.contracts.providers import REQUEST_ID_FIELDS
from shared.contracts.remote_limits.checks import known_config_keys
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.repositories.events import IDS_IN_CONFIG


@cache
def engine_config(task_type: TaskType) -> frozenset[str]:
    """Return the known keys of a task type's `config`, for any provider; none if it is free."""
    activity = TASK_TYPES[task_type].activity
    keys = set(known_config_keys(task_type))
    if activity is not None:
        inputs = next(iter(nested_schemas(activity.request, "inputs").schemas))
        has_config = "config" in inputs.model_fields
        found = nested_schemas(inputs, "config").schemas if has_config else ()
        keys |= {name for schema in found for name in schema.model_fields}
    if task_type is TaskType.GENERATION:
        keys |= IDS_IN_CONFIG
    return frozenset(keys | {"fal_app_id"} if has_apps(task_type) else keys)


def _provider_tags(schema: Schema, name: str, sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the provider of a configuration as the object around it names it."""
    if not (issubclass(schema, ProviderChoice) and name.endswith("provider_config")):
        return {}
    body: JsonObject = {**sent, name: object_or_none(sent.get(name)) or {}}
    if "task_type" not in body and "task_type" in schema.model_fields:
        body["task_type"] = schema.model_fields["task_type"].default
    return object_or_none(schema.with_named_configs(body).get(name)) or {}


RULES = SearchRules(
    schema_of=create_schema_of,
    fixed={
        TaskPublicUpdateBase: frozenset(
            name
            for schemas in SCHEMAS.values()
            for schema in (schemas.create, schemas.public)
            for name in schema.model_fields
        )
    },
    config_keys={
        schemas.create: engine_config(task_type) for task_type, schemas in SCHEMAS.items()
    },
    set_here={
        schema: names
        for schema in nested_schemas(ProviderChoice, "provider_config").schemas
        if (names := frozenset(REQUEST_ID_FIELDS.values()) & schema.model_fields.keys())
    },
    tags_of=_provider_tags,
)
FIELD_CHECK = Depends(FieldCheck(RULES))
Ignored = Annotated[IgnoredFields, FIELD_CHECK]
