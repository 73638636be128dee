"""Carries values from earlier steps' results into a later step's inputs. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.contracts.enums import MappingTransform
from shared.contracts.runs import StepMapping


class MappingError(ValueError):
    """A mapping found no value, or one that its transform cannot take."""


def map_inputs(
    mappings: Sequence[StepMapping], results: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The mapped inputs of a step.

    Args:
        mappings: the step's mappings.
        results: result fields by step id, of every step that is done.

    Raises:
        MappingError: names the mapping, and what was wrong with its value.
    """
    return {mapping.to_field: _value(mapping, results) for mapping in mappings}


def _value(mapping: StepMapping, results: Mapping[str, Mapping[str, Any]]) -> Any:
    name = f"{mapping.from_step}.{mapping.from_field}"
    value = results.get(mapping.from_step, {}).get(mapping.from_field)
    if value is None:
        raise MappingError(f"{name} has no value to map to {mapping.to_field}")
    if mapping.transform is None:
        return value
    try:
        return _TRANSFORMS[mapping.transform](value)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise MappingError(f"{name} cannot be transformed by {mapping.transform}") from error


def _to_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] -- JSON


def _to_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else json.dumps(value)


_TRANSFORMS: dict[MappingTransform, Callable[[Any], Any]] = {
    MappingTransform.FIRST: lambda value: value[0],
    MappingTransform.LAST: lambda value: value[-1],
    MappingTransform.TO_LIST: _to_list,
    MappingTransform.TO_STRING: str,
    MappingTransform.TO_INT: int,
    MappingTransform.TO_FLOAT: float,
    MappingTransform.JSON: _to_json,
}
