"""Records as clients see them, whatever is in them.

A record may hold what its schema does not take: another version wrote it, or a check was missing
then. It is shown as it is, and the rest of the page with it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

AS_IT_IS = ConfigDict(polymorphic_serialization=True)
"""Of schemas that `shown` fills, so that a value that is shown as it is, is also sent as it is."""


class Recorded(BaseModel):
    """The base of what shows a record."""

    model_config = AS_IT_IS


RecordedT = TypeVar("RecordedT", bound=BaseModel)


def shown(schema: type[RecordedT], fields: Mapping[str, Any]) -> RecordedT:
    """Return a record in its schema, with those values as they are that the schema does not take.

    Args:
        schema: the record's, configured by `AS_IT_IS`.
        fields: its values by field.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    odd = frozenset(str(fault["loc"][0]) for fault in faults)
    return _leaving_open(schema, odd).model_validate(fields)


def members(value: object) -> dict[str, Any]:
    """Return the members of what should be an object; none where it is something else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def texts(value: object) -> list[str]:
    """Return the texts of what should be a list of them; none where it is something else."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


@lru_cache(maxsize=256)
def _leaving_open(schema: type[RecordedT], odd: frozenset[str]) -> type[RecordedT]:
    """The same schema, in which some fields take anything."""
    fields: dict[str, Any] = dict.fromkeys(odd, (Any, None))
    return create_model(schema.__name__, __base__=schema, **fields)
