"""Held-out pictures."""

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.preprocessing.held_out import choose_held_out

DIGESTS = st.lists(st.integers(0, 10**6).map(str), min_size=10, max_size=60, unique=True)


def numbered(digests: list[str]) -> dict[int, str]:
    return dict(enumerate(digests))


def test_nothing_is_held_out_of_less_than_ten() -> None:
    assert choose_held_out(numbered(list("abcdefghi")), 0.5) == frozenset()
    assert len(choose_held_out(numbered(list("abcdefghij")), 0.1)) == 1


@given(digests=DIGESTS, share=st.floats(0, 1))
def test_share_is_kept_and_never_all(digests: list[str], share: float) -> None:
    chosen = choose_held_out(numbered(digests), share)
    assert (share > 0) == bool(chosen)
    assert len(chosen) < len(digests)
    if 0 < len(chosen) < len(digests) - 1:
        assert abs(len(chosen) - share * len(digests)) <= max(0.5, 1 - share * len(digests))


@given(digests=DIGESTS, data=st.data())
def test_choice_depends_on_the_pictures_alone(digests: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(digests))
    first = {digests[index] for index in choose_held_out(numbered(digests), 0.2)}
    second = {shuffled[index] for index in choose_held_out(numbered(list(shuffled)), 0.2)}
    assert first == second
