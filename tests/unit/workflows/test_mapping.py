"""Any value of an earlier step is mapped and storable, or its fault is named."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.enums import MappingTransform
from shared.contracts.runs import StepMapping
from shared.contracts.untrusted import MAPPED, admit
from tests.fixtures.hostile import nested, values
from workflows.definitions.mapping import MappingError, MappingGate, linked_keys, map_inputs

_TRANSFORMS = [None, *MappingTransform]


def mapped(value: Any, transform: str | None, gate: MappingGate | None = None) -> Any:
    """Map a value of a step into the next step."""
    link = StepMapping.model_validate(
        {"from_step": "a", "from_field": "b", "to_field": "c", "transform": transform}
    )
    gate, results = gate or MappingGate(), {"a": {"b": value}}
    links = {key: f"https://store.example/{key}" for key in linked_keys([link], results, gate)}
    return map_inputs([link], results, links, gate)["c"]


@given(values(), st.sampled_from(_TRANSFORMS))
def test_any_value_is_mapped_and_storable_or_its_fault_is_named(
    value: Any, transform: str | None
) -> None:
    with suppress(MappingError):
        admit(mapped(value, transform), MAPPED)


@pytest.mark.parametrize(
    ("value", "transform", "fault"),
    [
        (10**400, "to_float", "to_float cannot convert it|not a number"),
        (10**400, None, "not a number"),
        ("1" * 5000, "to_int", "to_int cannot convert it"),
        ('"\\ud83d"', "json", "half of a surrogate pair"),
        ("[" * 900 + "]" * 900, "json", "json cannot convert it|levels deep"),
        (nested(101), None, "levels deep"),
        ("a\0b", None, "NUL"),
        ([0] * 100_000, None, "more than 10000 values"),
        ("x" * 300_000, "to_string", "larger than 262144 bytes"),
        (["é" * 200_000], "first", "larger than 262144 bytes"),
        ([f"{number}.png" for number in range(1001)], "to_url", "1001 objects; at most 1000"),
        ([["a.png"]], "to_url", "needs the path of an object"),
        ("a\0.png", "to_url", "NUL"),
        (None, None, "has no value"),
    ],
)
def test_the_fault_of_a_value_is_named(value: Any, transform: str | None, fault: str) -> None:
    with pytest.raises(MappingError, match=fault):
        mapped(value, transform)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é", "é"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        (["a", None], '["a", null]'),
        ({"a": "é"}, '{"a": "é"}'),
    ],
)
def test_a_value_becomes_its_json_text(value: Any, text: str) -> None:
    assert mapped(value, "to_string") == text


def test_the_first_of_many_is_mapped_though_all_of_them_could_not_be() -> None:
    assert mapped(["x", *[0] * 100_000], "first") == "x"
    assert mapped([*[0] * 100_000, "x"], "last") == "x"


def test_values_of_older_runs_pass_the_gate_in_a_replay() -> None:
    gate = MappingGate(lambda: False)
    assert mapped("x" * 300_000, None, gate) == "x" * 300_000
    assert mapped("a\0b", "to_string", gate) == "a\0b"


@pytest.mark.parametrize("transform", _TRANSFORMS)
@pytest.mark.parametrize("value", [[0] * 400_000, "x" * 2**20], ids=["list", "text"])
def test_two_hundred_steps_that_map_the_same_value_are_fast(
    value: Any, transform: str | None
) -> None:
    """A workflow task has two seconds, and is retried if it takes longer."""
    gate = MappingGate()
    begin = time.thread_time()
    for _ in range(200):
        with suppress(MappingError):
            mapped(value, transform, gate)
    assert time.thread_time() - begin < 2
