"""Records presented to clients even if their schema does not accept them.

Another version, or a check that was missing then, may have written a value that the schema does
not accept. Such a value is sent unchanged, and does not break the page that it is on.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

LENIENT_CONFIG = ConfigDict(polymorphic_serialization=True)
"""Configuration of schemas that `from_record` fills: it serializes any value unchanged."""


class Recorded(BaseModel):
    """Base class of schemas that present a record."""

    model_config = LENIENT_CONFIG


RecordedT = TypeVar("RecordedT", bound=BaseModel)


def from_record(schema: type[RecordedT], fields: Mapping[str, Any]) -> RecordedT:
    """Return a record in its schema; values that the schema does not accept stay unchanged.

    Args:
        schema: the record's, configured by `LENIENT_CONFIG`.
        fields: the values by field.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    odd = frozenset(str(fault["loc"][0]) for fault in faults)
    return _leaving_open(schema, odd).model_validate(fields)


def members(value: object) -> dict[str, Any]:
    """Return the members of an expected JSON object; none if it is anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def texts(value: object) -> list[str]:
    """Return the strings of an expected JSON list; none if it is anything else."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


@lru_cache(maxsize=256)
def _leaving_open(schema: type[RecordedT], odd: frozenset[str]) -> type[RecordedT]:
    """Return a schema in which some fields accept any value."""
    fields: dict[str, Any] = dict.fromkeys(odd, (Any, None))
    return create_model(schema.__name__, __base__=schema, **fields)
