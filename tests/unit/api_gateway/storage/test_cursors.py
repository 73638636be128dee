"""A cursor encodes a path, in exactly one spelling."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.errors import InvalidRequestError
from api_gateway.storage.cursors import MAX_CURSOR_LENGTH, cursor_behind, path_before

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(PATHS, st.integers(min_value=0))
def test_path_comes_back(path: str, length: int) -> None:
    assert path_before(cursor_behind(path), path[:length]) == path


@given(st.text())
def test_anything_else_is_refused(cursor: str) -> None:
    with suppress(InvalidRequestError):
        assert cursor_behind(path_before(cursor, "")) == cursor != ""


def test_longest_path_has_a_cursor_that_is_taken() -> None:
    assert len(cursor_behind("é" * 512)) <= MAX_CURSOR_LENGTH


def test_cursor_of_another_prefix_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="another prefix"):
        path_before(cursor_behind("uploads/a.png"), "saves/")
