"""Replies are checked against the client's schema, and schemas before they are sent."""

import json
from typing import Any

import pytest

from provider_worker.llm.convert import named_schema
from provider_worker.llm.schema import output_schema, read_reply
from shared.contracts.reply_schema import anthropic_schema_fault, schema_fault
from shared.errors import InvalidInputError
from tests.fixtures.llm_activities import SCHEMA

GOOD = {"colour": "red", "kind": "dress", "sleeves": 2}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/Node"}},
    "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
}


def object_of(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def test_a_reply_that_follows_the_schema_is_data() -> None:
    assert read_reply(SCHEMA, json.dumps(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 5000, "not JSON"),
        ("[]", "does not follow"),
        (json.dumps(GOOD | {"colour": 5}), "colour: 5 is not of type"),
        (json.dumps(GOOD | {"sleeves": 3}), "sleeves"),
        (json.dumps(GOOD | {"kind": "hat"}), "kind"),
        (json.dumps(GOOD | {"more": 1}), "more"),
        (json.dumps({"colour": "red"}), "required"),
    ],
)
def test_any_other_reply_says_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_reply(SCHEMA, text)


@pytest.mark.parametrize("data", ['{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}'])
def test_data_that_cannot_be_stored_follows_no_schema(data: str) -> None:
    with pytest.raises(ValueError, match="schema"):
        read_reply({"type": "object"}, data)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ([], "an object"),
        ("x", "an object"),
        ({}, "must describe an object"),
        ({"type": "array"}, "must describe an object"),
        (object_of(a={"type": "text"}), "properties/a: text is no type"),
        (object_of(a=5), "properties/a: a schema is an object"),
        (object_of(a={"enum": []}), "enum must be a list"),
        (object_of(a={"anyOf": {}}), "anyOf must be a list"),
        (object_of(a={"properties": []}), "properties must be an object"),
        ({"type": "object", "required": "a"}, "required must be a list"),
        (object_of(a={"$ref": "https://example.com/x.json"}), "must refer to a part"),
        (object_of(a={"$ref": "#/$defs/Gone"}), "must refer to a part"),
        (object_of(a={"description": "x" * 32_768}), "32768 bytes"),
        (object_of(a={"const": float("nan")}), "not a number"),
    ],
)
def test_a_schema_that_cannot_be_asked_for_says_why(schema: Any, told: str) -> None:
    assert told in (schema_fault(schema) or "")
    with pytest.raises(InvalidInputError, match=r"config\.output_schema"):
        output_schema({"output_schema": schema})


@pytest.mark.parametrize("schema", [SCHEMA, TREE, {"type": "object"}, object_of(a=True)])
def test_a_good_schema_is_admitted(schema: Any) -> None:
    assert schema_fault(schema) is None
    assert output_schema({"output_schema": schema}) == schema


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (object_of(**{f"f{index}": {"type": "string"} for index in range(25)}), "25 optional"),
        (object_of(**{f"f{index}": {"anyOf": [{}, {}]} for index in range(17)})
         | {"required": [f"f{index}" for index in range(17)]}, "17 fields with several types"),
        (object_of(**{f"f{index}": {"type": ["string", "null"]} for index in range(17)})
         | {"required": [f"f{index}" for index in range(17)]}, "17 fields with several types"),
        (TREE, "refers to itself"),
        (object_of(a={"$ref": "#"}), "refers to itself"),
    ],
)  # fmt: skip
def test_anthropics_limits(schema: Any, told: str) -> None:
    assert schema_fault(schema) is None
    assert told in (anthropic_schema_fault(schema) or "")


def test_a_schema_within_anthropics_limits_has_no_fault() -> None:
    shared = {"type": "object", "properties": {f"d{index}": {} for index in range(30)}}
    schema = object_of(a={"$ref": "#/$defs/D"}, b={"$ref": "#/$defs/D"}) | {"$defs": {"D": shared}}
    assert anthropic_schema_fault(schema) is None
    assert anthropic_schema_fault(SCHEMA) is None


def test_a_title_becomes_a_name_that_every_vendor_takes() -> None:
    found = named_schema({"type": "object", "title": "Färbe & co" * 9, "description": "About."})
    assert found.name.startswith("F_rbe___co")
    assert (len(found.name), found.description) == (64, "About.")
    assert named_schema({"type": "object"}).name == "reply"
