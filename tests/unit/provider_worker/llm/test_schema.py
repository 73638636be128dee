"""Replies are checked against the client's schema, and schemas before they are sent."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
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


TWICE = {"anyOf": [object_of(a={"$ref": "#"}), object_of(a={"$ref": "#"})]}
"""A part whose check would take two to the power of the reply's depth."""
PAIR = object_of(left={"$ref": "#"}, right={"$ref": "#"}, all={"items": {"$ref": "#"}})


def _doubled(by: str, count: int) -> dict[str, Any]:
    """Return a schema whose check would take two to the power of `count`."""
    parts = {f"D{n}": {by: [{"$ref": f"#/$defs/D{n + 1}"}] * 2} for n in range(count)}
    return object_of(a={"$ref": "#/$defs/D0"}) | {"$defs": parts | {f"D{count}": {}}}


def _chained(count: int) -> dict[str, Any]:
    parts = {f"D{n}": {"$ref": f"#/$defs/D{n + 1}"} for n in range(count)}
    return object_of(a={"$ref": "#/$defs/D0"}) | {"$defs": parts | {f"D{count}": {}}}


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
    for schema in ({"type": "object"}, object_of(a={"type": "array"})):
        with pytest.raises(ValueError, match="it cannot be stored"):
            read_reply(schema, data)


def test_a_schema_that_means_nothing_is_told_in_one_line() -> None:
    with pytest.raises(InvalidInputError) as refused:
        output_schema({"output_schema": object_of(a={"pattern": "("})})
    told = (
        'config.output_schema is no valid JSON schema: properties/a/pattern: "(" is not a "regex"'
    )
    assert str(refused.value) == told


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
        (object_of(a={"$dynamicRef": "https://example.com"}), "$dynamicRef is not supported"),
        (object_of(a={"$id": "https://example.com"}), "$id is supported at the top alone"),
        (_doubled("anyOf", 30), "more than 5000 parts"),
        (_doubled("allOf", 30), "more than 5000 parts"),
        (_chained(60), "more than 50 steps"),
        (_chained(900), "more than 50 steps"),
        (object_of(a=TWICE), "more than once"),
        (object_of() | {"allOf": [TWICE, TWICE]}, "more than once"),
    ],
)
def test_a_schema_that_cannot_be_asked_for_says_why(schema: Any, told: str) -> None:
    assert told in (schema_fault(schema) or "")
    with pytest.raises(InvalidInputError, match=r"config\.output_schema"):
        output_schema({"output_schema": schema})


@pytest.mark.parametrize("place", ["if", "then", "contentSchema", "unknownKeyword"])
@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$dynamicRef"])
def test_nothing_is_fetched_for_a_schema(keyword: str, place: str, caught: list[str]) -> None:
    url = f"{caught[0]}/schema.json"
    schema = object_of() | {"if": {}, place: {keyword: url}}
    with contextlib.suppress(InvalidInputError):
        output_schema({"output_schema": schema})
    with contextlib.suppress(ValueError):  # whatever the gateway let through
        read_reply(schema, "{}")
    with contextlib.suppress(ValueError):
        read_reply(object_of() | {keyword: url}, "{}")
    assert caught[1:] == []


@pytest.fixture
def caught() -> Iterator[list[str]]:
    """The origin of a server, and then the paths of its requests."""
    requests: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        requests.append(f"http://127.0.0.1:{server.server_port}")
        yield requests
        server.shutdown()


def test_no_file_is_read_for_a_schema() -> None:
    schema = object_of() | {"if": {"$ref": "file:///etc/hostname"}}
    with pytest.raises(ValueError, match="Retrieval is disabled"):
        read_reply(schema, "{}")


@pytest.mark.parametrize("schema", [SCHEMA, TREE, PAIR, {"type": "object"}, object_of(a=True)])
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
    fields: dict[str, Any] = {f"d{index}": {} for index in range(30)}
    shared = object_of(**fields)
    schema = object_of(a={"$ref": "#/$defs/D"}, b={"$ref": "#/$defs/D"}) | {"$defs": {"D": shared}}
    assert anthropic_schema_fault(schema) is None
    assert anthropic_schema_fault(SCHEMA) is None


def test_a_title_becomes_a_name_that_every_vendor_takes() -> None:
    found = named_schema({"type": "object", "title": "Färbe & co" * 9, "description": "About."})
    assert found.name.startswith("F_rbe___co")
    assert (len(found.name), found.description) == (64, "About.")
    assert named_schema({"type": "object"}).name == "reply"
