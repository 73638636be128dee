"""The base of what clients send: JSON's types are kept apart where Python's are not.

Texts that read as a number or a truth value are still taken for it, as clients send them in forms.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


class RequestModel(BaseModel):
    """A part of a request: no truth value is a number, and no number a truth value or a moment."""

    # Of the model and not of its fields: pydantic allows none before a field that tells a union's
    # members apart.
    @model_validator(mode="before")
    @classmethod
    def _values_are_of_their_types(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        types = _field_types(cls)
        faults = [
            InitErrorDetails(type=fault, loc=(name,), input=value)
            for name, value in cast("dict[object, object]", data).items()
            if isinstance(value, bool | int | float)
            and isinstance(name, str)
            and (fault := _fault(value, types.get(name, frozenset())))
        ]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return cast("object", data)


def inconsistent(message: str, *fields: str) -> PydanticCustomError:
    """Return the error of an object whose fields contradict each other; it carries their names."""
    return PydanticCustomError(
        "inconsistent_fields", "{reason}", {"reason": message, "fields": list(fields)}
    )


def _fault(value: float, types: frozenset[type]) -> PydanticCustomError | None:
    if isinstance(value, bool):
        if types & {int, float} and bool not in types:
            return PydanticCustomError("number_type", "must be a number, not true or false")
    elif bool in types and not types & {int, float}:
        return PydanticCustomError("bool_type", "must be true or false, not a number")
    elif datetime in types:
        return PydanticCustomError("datetime_type", "must be a date and time, not a number")
    return None


@cache
def _field_types(model: type[BaseModel]) -> dict[str, frozenset[type]]:
    return {name: frozenset(_types(field.annotation)) for name, field in model.model_fields.items()}


def _types(annotation: Any) -> Iterator[type]:
    """The types that a value may have, itself: not those of its parts."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from _types(arguments[0])
    elif isinstance(annotation, type):
        yield annotation
    elif get_origin(annotation) not in {list, dict, tuple, set}:
        for argument in arguments:
            yield from _types(argument)
