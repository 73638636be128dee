"""The schema of an evaluation's reply is what every vendor enforces."""

from typing import Any, cast

import pytest

from provider_worker.evaluation.look import Look, look_schema
from shared.contracts.enums import AnatomyIssue, Framing, Gender, ViewAngle


def values_of(field: str) -> set[str]:
    schema = look_schema().schema["properties"][field]
    return set(schema.get("enum") or schema["items"]["enum"])


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("framing", {*Framing, "unclear"}),
        ("view_angle", {*ViewAngle, "unclear"}),
        ("gender", {*Gender, "unclear"}),
        ("anatomy_issues", {*AnatomyIssue}),
        ("anatomy", {"correct", "wrong", "not_visible"}),
    ],
)
def test_values_are_those_of_the_api(field: str, values: set[str]) -> None:
    assert values_of(field) == values


def test_schema_is_flat_without_unions_and_requires_every_field() -> None:
    schema = look_schema()
    assert (schema.name, schema.description) == ("Look", "The contents of one fashion photograph.")
    assert schema.schema["required"] == list(Look.model_fields)
    assert schema.schema["additionalProperties"] is False
    assert not {"anyOf", "oneOf", "allOf", "$ref", "$defs", "title", "minimum", "maximum"} & set(
        keys_of(schema.schema)
    )


def keys_of(value: Any) -> list[str]:
    """Return the names at every level of a schema, without those of its properties."""
    if isinstance(value, list):
        return [name for part in cast("list[Any]", value) for name in keys_of(part)]
    if not isinstance(value, dict):
        return []
    schema = cast("dict[str, Any]", value)
    found = [name for name in schema if name != "properties"]
    for name, part in schema.items():
        found += keys_of(list(part.values()) if name == "properties" else part)
    return found
