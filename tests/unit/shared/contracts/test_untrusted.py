"""Untrusted values: every admitted one can be carried by Temporal and stored."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from shared.contracts.untrusted import (
    MAPPED,
    RESULT,
    STORABLE,
    ErrorText,
    Limits,
    UntrustedValueError,
    admit,
    clean_text,
    cleaned,
    describe_error,
    find_fault,
)
from tests.fixtures.hostile import nested, values

_SMALL = Limits(max_bytes=300, max_values=12, max_depth=4)


@given(values())
def test_admitted_values_can_be_carried_and_stored(value: Any) -> None:
    try:
        size = admit(value, _SMALL)
    except UntrustedValueError:
        return
    carried = to_json(value)
    assert len(carried) == size <= 300
    # The converters of Temporal and of the database both round-trip it.
    assert json.loads(json.dumps(value)) == from_json(carried) == value
    # Postgres accepts JSON texts that are UTF-8 without NUL.
    assert "\\u0000" not in json.dumps(value)
    carried.decode()


@given(values())
def test_a_cleaned_value_is_refused_for_its_limits_alone(value: Any) -> None:
    fault = find_fault(value, _SMALL)
    if fault is None or "a text has" in fault:
        again = find_fault(cleaned(value), _SMALL)
        assert again is None or "a text has" not in again


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc"])), st.integers(1, 50))
def test_any_text_becomes_storable(text: str, longest: int) -> None:
    clean = clean_text(text, longest)
    assert len(clean) <= longest
    assert find_fault(clean) is None
    assert clean_text(clean, longest) == clean


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("a\0b", "NUL"),
        ({"a\0": 1}, "NUL"),
        (["\ud83d"], "half of a surrogate pair"),
        ({"\udc00": 1}, "half of a surrogate pair"),
        ([float("nan")], "not a number"),
        ([float("-inf")], "not a number"),
        (10**400, "not a number"),
        (-(10**5000), "not a number"),
        (nested(101), "more than 100 levels"),
        ({"a": [{}] * 100_001}, "more than 100000 values"),
        ("x" * 2**20, "larger than 1048576 bytes"),
        ("\x01" * 2**19, "larger than 1048576 bytes"),
        (["é" * 2**19], "larger than 1048576 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "value",
)
def test_error_names_the_limit(value: Any, fault: str) -> None:
    with pytest.raises(UntrustedValueError, match=fault):
        admit(value, RESULT)


@pytest.mark.parametrize(
    "value",
    [None, True, "", [], {}, 1e308, 10**308, -(2**63), "\U0001f457", nested(100)],
    ids=lambda value: type(value).__name__,
)
def test_storable_values_are_admitted(value: Any) -> None:
    assert admit(value, MAPPED) == len(to_json(value))


@pytest.mark.parametrize(
    "value",
    [
        [0] * 2_000_000,
        {str(number): number for number in range(500_000)},
        "\ud800" * 2_000_000,
        nested(500_000),
    ],
    ids=["long list", "large object", "long text", "deep list"],
)
def test_checks_are_fast_for_any_value(value: Any) -> None:
    begin = time.thread_time()
    assert find_fault(value, RESULT)
    find_fault(value, STORABLE)
    assert time.thread_time() - begin < 10


def test_an_error_text_is_cleaned_wherever_it_is_read() -> None:
    read = TypeAdapter(list[ErrorText]).validate_python
    assert read(["a\0b", "\ud83d!", "x" * 3000])[:2] == ["ab", "�!"]
    assert len(read(["x" * 3000])[0]) == 2000
    with pytest.raises(ValidationError):
        read([7])


class _Form(BaseModel):
    size: int
    names: list[int]


def test_validation_errors_have_no_values_and_addresses() -> None:
    with pytest.raises(ValidationError) as caught:
        _Form.model_validate({"size": "my secret", "names": ["x"] * 30})
    said = describe_error(caught.value)
    assert said.startswith("size: Input should be a valid integer")
    assert "secret" not in said
    assert "http" not in said
    assert said.endswith("and 21 more")
    assert describe_error(KeyError("k\0")) == "KeyError: 'k\\x00'"
