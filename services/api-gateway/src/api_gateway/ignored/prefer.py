"""The header `Prefer` (RFC 7240), which chooses between ignoring and refusing unknown fields."""

from collections.abc import Iterable


def is_strict(lines: Iterable[str]) -> bool:
    """Return whether the headers ask for strict handling; their first `handling` counts."""
    for preference in (each for line in lines for each in line.split(",")):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "handling":
            return value.strip().lower() in {"strict", '"strict"'}
    return False
