"""Transforms of values of every kind."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.enums import MappingTransform
from shared.contracts.runs import StepMapping
from workflows.definitions.mapping import MappingError, MappingGate, map_inputs, picks_of_singles

_PICK = st.sampled_from([MappingTransform.FIRST, MappingTransform.LAST])
_SINGLE = st.text() | st.integers() | st.booleans() | st.dictionaries(st.text(), st.integers())
_LISTS = st.lists(_SINGLE | st.lists(st.text(), min_size=1), min_size=1)


def mapping(transform: MappingTransform) -> StepMapping:
    return StepMapping(from_step="a", from_field="x", to_field="y", transform=transform)


def mapped(value: Any, transform: MappingTransform, **how: bool) -> Any:
    return map_inputs(
        [mapping(transform)], {"a": {"x": value}}, {}, MappingGate(lambda: False), **how
    )["y"]


@given(_SINGLE, _PICK)
def test_a_value_that_is_no_list_counts_as_a_list_of_one(
    value: Any, pick: MappingTransform
) -> None:
    assert mapped(value, pick) == value == mapped(mapped(value, MappingTransform.TO_LIST), pick)


@given(_LISTS)
def test_first_and_last_of_a_list_are_its_ends(values: list[Any]) -> None:
    assert mapped(values, MappingTransform.FIRST) == values[0]
    assert mapped(values, MappingTransform.LAST) == values[-1]


@given(_LISTS, _PICK)
def test_older_runs_differ_for_single_values_only(
    values: list[Any], pick: MappingTransform
) -> None:
    assert mapped(values, pick, picks_letters=True) == mapped(values, pick)
    assert mapped("letter", pick, picks_letters=True) in {"l", "r"}
    for value in (values, "letter"):
        is_told = picks_of_singles([mapping(pick)], {"a": {"x": value}})
        assert is_told == isinstance(value, str)


@pytest.mark.parametrize("pick", [MappingTransform.FIRST, MappingTransform.LAST])
@pytest.mark.parametrize("value", [[], None])
def test_an_empty_list_has_no_first(pick: MappingTransform, value: Any) -> None:
    with pytest.raises(MappingError):
        mapped(value, pick)
