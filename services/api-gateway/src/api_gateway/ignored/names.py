"""Which of the known names an unknown one was meant to be. Pure."""

from collections.abc import Collection
from difflib import SequenceMatcher

_LONGEST = 64
"""Names are compared so far: no field of ours is longer, and a stranger's may be a megabyte."""
_LETTERS_PER_MISTAKE = 4


def nearest(name: str, known: Collection[str], elsewhere: Collection[str] = ()) -> str | None:
    """Return the known name that an unknown one is nearest to; none where nothing is alike.

    Args:
        name: what was sent.
        known: the names at its place.
        elsewhere: names at other places, each with its place and a dot before it: they count where
            no name at its own place is close.
    """
    name = name[:_LONGEST]
    return (
        _close(name, known) or _close(name, elsewhere) or _alike(name, [*sorted(known), *elsewhere])
    )


def _close(name: str, known: Collection[str]) -> str | None:
    """Return the name that a slip of the finger away is this one."""
    most = max(1, len(name) // _LETTERS_PER_MISTAKE)
    # Of two that are as near, that of the same length: a wrong letter is likelier than a lost one.
    ranked = [
        (distance(name, last), abs(len(last) - len(name)), each)
        for each in sorted(known)
        if abs(len(last := _last(each)) - len(name)) <= most
    ]
    found = min(ranked, default=None)
    return found[2] if found and found[0] <= most else None


def _alike(name: str, known: Collection[str]) -> str | None:
    matcher = SequenceMatcher(b=name.lower(), autojunk=False)

    def likeness(each: str) -> float:
        matcher.set_seq1(_last(each))
        return matcher.ratio()

    found = max(known, key=likeness, default=None)
    return found if found is not None and likeness(found) > 0 else None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def distance(one: str, other: str) -> int:
    """Return how many letters have to be changed, added, dropped or swapped; case does not count.

    (Optimal string alignment.)
    """
    one, other = one.lower(), other.lower()
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, counterpart in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != counterpart))
            is_swapped = i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == counterpart
            row.append(min(cost, before[j - 2] + 1) if is_swapped else cost)
        before, last = last, row
    return last[-1]
