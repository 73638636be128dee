"""The sandbox's models fill any schema, alike for the same picture."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.sandbox.pictures import BadPictureError
from provider_worker.sandbox.texts import count_tokens, reply_text, seen
from tests.fixtures.pictures import picture

RED = picture("PNG", "red", (30, 40))
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        "right": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["left", "right"],
}


def _numbers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.tuples(st.integers(-50, 50), st.integers(1, 50))
    return bounds.map(lambda b: {"type": kind, "minimum": b[0], "maximum": b[0] + b[1]}) | st.just(
        {"type": kind}
    )


_LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    _numbers("integer"),
    _numbers("number"),
    st.tuples(st.integers(0, 5), st.integers(5, 9)).map(
        lambda b: {"type": "string", "minLength": b[0], "maxLength": b[1]}
    ),
    st.lists(st.text(max_size=5), min_size=1, max_size=4).map(lambda words: {"enum": words}),
    st.text(max_size=5).map(lambda word: {"const": word}),
    st.just({"type": ["string", "null"]}),
)


def _objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    fields = st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4)
    return fields.map(
        lambda each: {
            "type": "object",
            "properties": each,
            "required": sorted(each)[::2],
            "additionalProperties": False,
        }
    )


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        _objects(inner),
        st.tuples(inner, st.integers(0, 3)).map(
            lambda each: {"type": "array", "items": each[0], "minItems": each[1]}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts}),
    )


@given(_objects(st.recursive(_LEAVES, _nested, max_leaves=8)), st.text(max_size=9))
def test_a_reply_follows_its_schema(schema: dict[str, Any], prompt: str) -> None:
    reply = reply_text(prompt, [RED], schema)
    jsonschema_rs.validate(schema, json.loads(reply))
    assert reply_text(prompt, [RED], schema) == reply


def test_a_recursive_schema_ends() -> None:
    reply = reply_text("x", [], TREE)
    jsonschema_rs.validate(TREE, json.loads(reply))
    assert len(reply) < 10_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"exclusiveMinimum": 3, "type": "integer"}}},
        {"type": "object", "properties": {"a": {"multipleOf": 7, "type": "integer", "minimum": 8}}},
        {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [{"const": 1}]}}},
        {"type": "object", "allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}]},
        {"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"type": "string", "format": "date-time"}}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "null"}, {"const": 4}]}}},
    ],
)
def test_less_usual_schemas_are_followed(schema: dict[str, Any]) -> None:
    assert jsonschema_rs.is_valid(schema, json.loads(reply_text("x", [RED], schema)))


def test_bounds_that_only_a_description_states_are_kept() -> None:
    field = {"type": "integer", "description": "Sleeves. {minimum: 7, maximum: 8}"}
    schema = {"type": "object", "properties": {"a": field}}
    found = {json.loads(reply_text(f"{index}", [], schema))["a"] for index in range(20)}
    assert found == {7, 8}


def test_a_reply_tells_the_picture() -> None:
    blue = picture("PNG", "blue", (10, 10))
    assert reply_text("x", [RED]).startswith("A red picture (30x40).")
    assert reply_text("x", [blue, RED]).startswith("A blue picture (10x10, 30x40).")
    assert seen("x", [RED]) != seen("y", [RED])
    assert seen("x", [blue]).brightness < seen("x", [picture("PNG", "white", (9, 9))]).brightness


def test_a_picture_that_cannot_be_read_is_told() -> None:
    with pytest.raises(BadPictureError):
        reply_text("x", [RED[:40]])


def test_tokens_are_counted_by_bytes() -> None:
    assert [count_tokens(text) for text in ("", "abcd", "abcde", "äö", b"12345678")] == [
        1,
        1,
        2,
        1,
        2,
    ]
