"""Schemas that no route mentions and that clients use: events, forms, a few enums."""

from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api_gateway.events.presentation import SCHEMAS
from api_gateway.events.schemas import BaseEvent
from api_gateway.lora.schemas import ADMIN_UPLOAD_BODY, UPLOAD_BODY
from api_gateway.storage.schemas import SAVE_FORM, SaveImageForm
from shared.contracts.enums import ProviderCapability, TransformType

_REF_TEMPLATE = "#/components/schemas/{model}"
_MODELS: tuple[type[BaseModel], ...] = (
    BaseEvent,
    *SCHEMAS.values(),
    UPLOAD_BODY,
    ADMIN_UPLOAD_BODY,
)
_FORMS: dict[str, type[BaseModel]] = {SAVE_FORM: SaveImageForm}
"""Forms that their routes read as a stream, by their names in the reference."""
_ENUMS = (ProviderCapability, TransformType)


def add_unrouted_schemas(document: dict[str, Any]) -> None:
    """Add the schemas to an OpenAPI document; existing ones stay."""
    mode: JsonSchemaMode = "serialization"
    _, definitions = models_json_schema(
        [(model, mode) for model in _MODELS], ref_template=_REF_TEMPLATE
    )
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in definitions["$defs"].items():
        schemas.setdefault(name, schema)
    for name, form in _FORMS.items():
        schemas.setdefault(name, form.model_json_schema() | {"title": name})
    for enum in _ENUMS:
        schemas.setdefault(enum.__name__, TypeAdapter(enum).json_schema())
