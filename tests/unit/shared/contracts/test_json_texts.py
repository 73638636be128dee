from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.json_texts import Place, replace_texts, texts_in

_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


def _at(value: Any, place: Place) -> Any:
    for name in place:
        value = value[name]
    return value


@given(_JSON)
def test_texts_are_found_at_their_places_and_replaced_in_the_same_order(value: Any) -> None:
    found = list(texts_in(value))
    assert all(_at(value, place) == text for place, text in found)
    numbers = iter(range(len(found)))
    numbered = replace_texts(value, lambda _: next(numbers))
    assert [_at(numbered, place) for place, _ in found] == list(range(len(found)))
    assert replace_texts(value, str) == value


def test_deeper_data_than_can_be_stored_stays() -> None:
    value: Any = "a"
    for _ in range(101):
        value = [value]
    assert list(texts_in(value)) == []
    assert replace_texts(value, lambda _: "b") == value
    assert list(texts_in(value[0])) == [((0,) * 100, "a")]
