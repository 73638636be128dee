"""The names that a schema knows, and the schemas that its fields hold. Cached per schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import TypeAliasType

Schema = type[BaseModel]


@cache
def names_of(schema: Schema) -> Mapping[str, str]:
    """Return the field for each name that clients may send it by."""
    names = {field.alias or name: name for name, field in schema.model_fields.items()}
    if schema.model_config.get("validate_by_name") or schema.model_config.get("populate_by_name"):
        names |= {name: name for name in schema.model_fields if name not in names}
    return names


@dataclass(frozen=True)
class NestedSchemas:
    """The schemas of which a field holds one, or several by position or by key."""

    schemas: tuple[Schema, ...]
    is_keyed: bool = False
    """The field holds them by names that the client chooses."""

    def fitting(self, tags: Mapping[str, Any]) -> Schema | None:
        """Return the schema of a value; of several, the one whose tag the value carries."""
        if len(self.schemas) == 1:
            return self.schemas[0]
        return next((each for each in self.schemas if _carries(each, tags)), None)


def _carries(schema: Schema, tags: Mapping[str, Any]) -> bool:
    return any(
        name in schema.model_fields and schema.model_fields[name].default == tags.get(name)
        for name in ("task_type", "provider_type")
    )


@cache
def nested_schemas(schema: Schema, field: str) -> NestedSchemas:
    """Return the schemas that a field of a schema holds; none if it is plain or free."""
    annotation = schema.model_fields[field].annotation
    return NestedSchemas(tuple(_schemas_in(annotation)), is_keyed=_is_keyed(annotation))


def _is_keyed(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(map(_is_keyed, get_args(annotation)))


def _schemas_in(annotation: Any) -> Iterator[Schema]:
    if isinstance(annotation, TypeAliasType):
        annotation = annotation.__value__
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None:
        for argument in get_args(annotation):
            yield from _schemas_in(argument)
