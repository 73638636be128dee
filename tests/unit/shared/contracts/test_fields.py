"""Blank texts are recognised, including those of invisible characters."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.fields import is_blank

_INVISIBLE = st.text(
    st.sampled_from(" \t\n\u00a0\u00ad\u200b\u200d\u2060\u2028\u3164\u2800\ufeff\U000e0061")
)


@given(_INVISIBLE)
def test_any_number_of_invisible_characters_is_blank(text: str) -> None:
    assert is_blank(text)


@given(
    _INVISIBLE,
    st.characters(categories=["Lu", "Ll", "Nd", "Po"]) | st.sampled_from("愛👗é"),
    _INVISIBLE,
)
def test_one_visible_character_is_not_blank(before: str, letter: str, after: str) -> None:
    assert not is_blank(before + letter + after)


@pytest.mark.parametrize("text", ["e\u0301", "👩\u200d🎨", "שלום\u200f"])
def test_characters_with_marks_and_joiners_are_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_a_long_blank_text_is_recognised_fast() -> None:
    begin = time.thread_time()
    assert is_blank(" " * 30_000_000)
    assert time.thread_time() - begin < 2
