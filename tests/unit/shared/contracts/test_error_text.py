"""Texts of Python and pydantic errors, as clients read them."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from shared.contracts.enums import TaskType
from shared.contracts.error_text import describe_fault, describe_faults, one_line, without_reprs


class _Inner(BaseModel):
    size: int = 0
    role: Literal[TaskType.REFINE] = TaskType.REFINE


class _Model(BaseModel):
    task_type: Literal[TaskType.GENERATION] = TaskType.GENERATION
    inner: _Inner = Field(default_factory=_Inner)
    free: dict[str, Any] = Field(default_factory=dict[str, Any])
    url: str = ""

    @field_validator("url")
    @classmethod
    def _is_none(cls, url: str) -> str:
        raise ValueError(f"must not be {url!r}")


class _Other(BaseModel):
    task_type: Literal[TaskType.EDITING] = TaskType.EDITING


def _refusal(value: object) -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        _Model.model_validate(value)
    return refused.value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"task_type": "X"}, "task_type: Input should be 'GENERATION'"),
        ({"inner": []}, "inner: must be an object"),
        ({"free": 1}, "free: must be an object"),
        ({"url": "u"}, "url: must not be 'u'"),
        ({"inner": {"role": 1}, "free": 1}, "inner.role: Input should be 'REFINE'; free: must be"),
        (1, "must be an object"),
    ],
)
def test_errors_have_no_python_names(value: object, words: str) -> None:
    assert describe_faults(_refusal(value)).startswith(words)


def test_unknown_tag_lists_the_known_by_name() -> None:
    union: TypeAdapter[object] = TypeAdapter(
        Annotated[_Model | _Other, Field(discriminator="task_type")]
    )
    with pytest.raises(ValidationError) as refused:
        union.validate_python({"task_type": "X"})
    [fault] = refused.value.errors()
    assert describe_fault(fault) == "'task_type' must be one of 'GENERATION', 'EDITING'"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(list(_Model.model_fields)), _JSON, min_size=1) | _JSON)
def test_no_message_of_pydantic_has_python_names(value: object) -> None:
    try:
        _Model.model_validate(value)
    except ValidationError as error:
        said = describe_faults(error)
        given_text = json.dumps(value)
        for word in ("pydantic.dev", "<TaskType", "Value error", "dictionary", "_Inner"):
            assert word not in said or word in given_text


class _Colour(StrEnum):
    RED = "red"


def test_addresses_and_members_are_left_out() -> None:
    assert without_reprs(f"needs {_Colour.RED!r}, not {object()!r}") == "needs 'red', not"
    me = test_addresses_and_members_are_left_out
    assert without_reprs(f"of {me!r}, {print!r}") == f"of, {print!r}"


@given(st.text())
def test_text_without_angle_brackets_stays(text: str) -> None:
    text = text.replace("<", "")
    assert without_reprs(text) == text


def test_message_of_several_lines_does_not_end_at_its_colon() -> None:
    error = ValueError("Incompatible keys detected: \n\n lora_unet_x, lora_unet_y")
    assert one_line(error) == "Incompatible keys detected: lora_unet_x, lora_unet_y"
    assert one_line(ValueError("\n")) == "ValueError"
    long = one_line(ValueError("a " * 1000))
    assert len(long) == 200
    assert long.endswith("…")
