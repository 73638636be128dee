"""Base class of request bodies: JSON's booleans and numbers are not converted into each other.

Strings that spell a number or a boolean are still converted, since forms send strings.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


class RequestModel(BaseModel):
    """A part of a request. Booleans are not numbers, and numbers are neither booleans nor dates."""

    # A validator of the model, not of its fields: pydantic allows no "before" validator on the
    # discriminator of a union.
    @model_validator(mode="before")
    @classmethod
    def _check_json_types(cls, data: object) -> object:
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
    """Return the error for fields that contradict each other; it carries the field names."""
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
    """Yield the types that a value itself may have, not those of its items."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from _types(arguments[0])
    elif isinstance(annotation, type):
        yield annotation
    elif get_origin(annotation) not in {list, dict, tuple, set}:
        for argument in arguments:
            yield from _types(argument)
