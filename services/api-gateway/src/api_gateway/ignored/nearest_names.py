"""The known name nearest to an unknown one. Pure."""

from collections.abc import Collection
from difflib import SequenceMatcher

_LONGEST = 64
"""Characters compared: no known name is longer, and a client's may have a megabyte."""
_LETTERS_PER_MISTAKE = 4


def nearest(name: str, known: Collection[str], elsewhere: Collection[str] = ()) -> str | None:
    """Return the known name nearest to an unknown one; none if nothing is similar.

    Args:
        name: the unknown name.
        known: the known names at its place.
        elsewhere: names at other places, each with its place and a dot before it; considered only
            if no name at its own place is close.
    """
    name = name[:_LONGEST]
    return (
        _close(name, known)
        or _close(name, elsewhere)
        or _most_similar(name, [*sorted(known), *elsewhere])
    )


def _close(name: str, known: Collection[str]) -> str | None:
    """Return the name that a typing error turned into this one; none if there is none."""
    most = max(1, len(name) // _LETTERS_PER_MISTAKE)
    # Ties go to the name of equal length: a wrong letter is more likely than a missing one.
    ranked = [
        (distance(name, last), abs(len(last) - len(name)), each)
        for each in sorted(known)
        if abs(len(last := _last(each)) - len(name)) <= most
    ]
    found = min(ranked, default=None)
    return found[2] if found and found[0] <= most else None


def _most_similar(name: str, known: Collection[str]) -> str | None:
    matcher = SequenceMatcher(b=name.lower(), autojunk=False)

    def likeness(each: str) -> float:
        matcher.set_seq1(_last(each))
        return matcher.ratio()

    found = max(known, key=likeness, default=None)
    return found if found is not None and likeness(found) > 0 else None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def distance(one: str, other: str) -> int:
    """Return the number of letters to change, add, drop or swap, without regard to case.

    The optimal string alignment distance.
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
