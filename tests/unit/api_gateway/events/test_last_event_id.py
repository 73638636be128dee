"""The position from which a reconnecting client resumes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api_gateway.events.last_event_id import LastEventId, resumption

_ADAPTER: TypeAdapter[int | None] = TypeAdapter(LastEventId)
_LARGEST = 2**31 - 1


@given(st.integers(0, _LARGEST))
def test_number_is_taken_as_written(number: int) -> None:
    assert _ADAPTER.validate_python(str(number)) == number


@pytest.mark.parametrize("nothing", ["", " ", None])
def test_empty_id_says_nothing(nothing: str | None) -> None:
    assert _ADAPTER.validate_python(nothing) is None


@pytest.mark.parametrize(
    "wrong", ["-1", "+1", "1.0", "1_0", "0x1", "abc", "١", "1 2", str(_LARGEST + 1), "9" * 400]
)
def test_anything_else_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        _ADAPTER.validate_python(wrong)


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    try:
        number = _ADAPTER.validate_python(text)
    except ValidationError:
        return
    assert number is None or 0 <= number <= _LARGEST


async def test_header_goes_before_the_parameter() -> None:
    assert (await resumption(7, 3)).seq == 7
    assert (await resumption(0, 3)).seq == 0
    assert (await resumption(None, 3)).loc == ("query", "last_event_id")
    assert (await resumption(None, None)).seq is None
