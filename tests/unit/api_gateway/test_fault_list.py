"""The list of a request's faults is small, whatever they are."""

import json

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.fault_list import MAX_FAULTS, bounded_faults, named

TEXTS = st.text(st.characters(exclude_categories=()))
LONG_TEXTS = st.builds(lambda text, times: text * times, TEXTS, st.sampled_from([1, 10, 2000]))
FAULTS = st.fixed_dictionaries(
    {
        "loc": st.lists(st.integers() | LONG_TEXTS, max_size=30),
        "msg": LONG_TEXTS,
        "type": st.just("value_error"),
    }
)


@given(st.lists(FAULTS, max_size=5), st.sampled_from([1, 20, 1000]))
def test_faults_fit_and_can_be_sent(faults: list[dict[str, object]], times: int) -> None:
    text = json.dumps({"detail": bounded_faults(faults * times)}, ensure_ascii=False)
    assert len(text.encode()) <= 64 * 1024


def test_first_faults_are_listed_and_the_others_counted() -> None:
    faults = [{"loc": ("body", i), "msg": "is wrong", "type": "value_error"} for i in range(1000)]

    listed = bounded_faults(faults)

    assert [fault["loc"] for fault in listed[:-1]] == [["body", i] for i in range(MAX_FAULTS)]
    assert listed[-1] == {
        "loc": ["body"],
        "msg": "950 more faults are not listed",
        "type": "more_faults",
    }
    assert bounded_faults(faults[:MAX_FAULTS]) == listed[:-1]


def test_long_texts_are_cut_and_say_so() -> None:
    (fault,) = bounded_faults([{"loc": ("body", "a" * 10_000), "msg": "b" * 10_000, "type": "x"}])

    assert fault["loc"][1].endswith("a…")
    assert fault["msg"].endswith("b…")


def test_names_are_the_first_few() -> None:
    assert named(["a", "b"]) == "a, b"
    assert named([str(i) for i in range(200)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 190 more"
    assert len(named(["a" * 10_000] * 200)) < 2500


def test_error_itself_is_short() -> None:
    assert len(str(InvalidRequestError([Fault((), "x")] * 10_000))) < 1000
