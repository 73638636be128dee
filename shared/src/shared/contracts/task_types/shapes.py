"""Static types of results and inputs ("shapes"), to check mappings before values are known.

A shape is derived from the JSON schema of a field. It has no bounds: those are checked when the
value is known (`InputFields.validate_one`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import BaseModel

from shared.contracts.enums import MappingTransform
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.rules import Mapped


class Kind(StrEnum):
    """Kinds of JSON values, as error messages name them."""

    TEXT = "a text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TRUTH = "true or false"
    OBJECT = "an object"
    LIST = "a list"
    ANYTHING = "any value"


_BY_NAME = {
    "string": Kind.TEXT,
    "integer": Kind.WHOLE,
    "number": Kind.NUMBER,
    "boolean": Kind.TRUTH,
    "object": Kind.OBJECT,
    "array": Kind.LIST,
}
_PLURALS = {
    Kind.TEXT: "texts",
    Kind.WHOLE: "whole numbers",
    Kind.NUMBER: "numbers",
    Kind.TRUTH: "truth values",
    Kind.OBJECT: "objects",
    Kind.LIST: "lists",
    Kind.ANYTHING: "values",
}


@dataclass(frozen=True)
class Shape:
    """The static type of a value.

    Attributes:
        kind: of the value.
        items: shape of the items, if the value is a list.
        choices: the possible texts, if they are known.
    """

    kind: Kind
    items: "Shape | None" = None
    choices: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.items is not None:
            return f"a list of {_PLURALS[self.items.kind]}"
        return f"one of {', '.join(sorted(self.choices))}" if self.choices else self.kind

    def fits(self, target: "Shape") -> bool:
        """Return true if some value of this shape also has the target's shape."""
        kinds = (self.kind, target.kind)
        if Kind.ANYTHING in kinds:
            return True
        if self.items is not None and target.items is not None:
            return self.items.fits(target.items)
        if self.choices and target.choices:
            return bool(self.choices & target.choices)
        return self.kind == target.kind or kinds == (Kind.WHOLE, Kind.NUMBER)


ANYTHING = Shape(Kind.ANYTHING)
_TEXT = Shape(Kind.TEXT)


def result_shape(row: TaskTypeRow, name: str) -> Shape:
    """Return the shape of a result field; any value if an outside service chooses the fields."""
    return ANYTHING if row.has_free_results else _shape(row.results, name)


def input_shape(row: TaskTypeRow, name: str) -> Shape:
    """Return the shape of an input; a key within an object takes any value."""
    return ANYTHING if "." in name else _shape(row.inputs, name)


def transformed(shape: Shape, transform: MappingTransform | None) -> Shape | None:
    """Return the shape of a transform's result; none if it cannot convert such a value."""
    if shape.kind is Kind.ANYTHING or transform is None:
        return shape
    return _RESULT_SHAPES[transform](shape)


def _number(kind: Kind) -> Callable[[Shape], Shape | None]:
    return lambda shape: None if shape.kind is Kind.LIST else Shape(kind)


_RESULT_SHAPES: dict[MappingTransform, Callable[[Shape], Shape | None]] = {
    MappingTransform.TO_URL: lambda shape: shape,
    MappingTransform.FIRST: lambda shape: shape.items or shape,
    MappingTransform.LAST: lambda shape: shape.items or shape,
    MappingTransform.TO_LIST: lambda shape: shape if shape.items else Shape(Kind.LIST, shape),
    MappingTransform.TO_INT: _number(Kind.WHOLE),
    MappingTransform.TO_FLOAT: _number(Kind.NUMBER),
    MappingTransform.TO_STRING: lambda _: _TEXT,
    # A text is parsed, any other value is serialised.
    MappingTransform.JSON: lambda shape: ANYTHING if shape.kind is Kind.TEXT else _TEXT,
}
_PROPOSED = (
    MappingTransform.TO_LIST,
    MappingTransform.FIRST,
    MappingTransform.TO_INT,
    MappingTransform.TO_FLOAT,
    MappingTransform.TO_STRING,
)


def fitting_transform(source: Shape, target: Shape) -> MappingTransform | None:
    """Return a transform that converts a value to the target's shape; none if there is none."""
    for transform in _PROPOSED:
        made = transformed(source, transform)
        if made is not None and made.fits(target):
            return transform
    return None


def placeholder(row: TaskTypeRow, name: str) -> Mapped:
    """Return the placeholder for a mapped input, for checking the request's rules."""
    schema, _ = _schemas(row.inputs)
    stated = schema.get(name, {})
    options = [part for part in stated.get("anyOf", [stated]) if part.get("type") != "null"]
    shape = input_shape(row, name)
    match shape.kind:
        case Kind.TRUTH:
            return Mapped((False, True))
        case Kind.WHOLE | Kind.NUMBER:
            low = options[0].get("minimum", options[0].get("exclusiveMinimum", -1) + 1)
            return Mapped((low, options[0].get("maximum", low)))
        case _:
            return Mapped(tuple(sorted(shape.choices)) or ("mapped",))


@cache
def _schemas(model: type[BaseModel]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the JSON schemas of a model's fields, and the schemas that they refer to."""
    schema = model.model_json_schema()
    return schema.get("properties", {}), schema.get("$defs", {})


@cache
def _shape(model: type[BaseModel], name: str) -> Shape:
    fields, named = _schemas(model)
    return _read(fields[name], named)


def _read(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Shape:
    if "$ref" in schema:
        return _read(named[schema["$ref"].rpartition("/")[2]], named)
    if "anyOf" in schema:
        parts = [part for part in schema["anyOf"] if part.get("type") != "null"]
        return _read(parts[0], named) if len(parts) == 1 else ANYTHING
    kind = _BY_NAME.get(schema.get("type", ""), Kind.ANYTHING)
    if kind is Kind.LIST:
        return Shape(kind, _read(schema.get("items", {}), named))
    choices = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return Shape(kind, choices=frozenset(map(str, choices)) if kind is Kind.TEXT else frozenset())
