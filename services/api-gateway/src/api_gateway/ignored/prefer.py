"""What the header `Prefer` (RFC 7240) asks for: whether unknown fields are refused."""

from collections.abc import Iterable


def is_strict(lines: Iterable[str]) -> bool:
    """Return whether a request is to be handled strictly; the first word on it counts."""
    for preference in (each for line in lines for each in line.split(",")):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "handling":
            return value.strip().lower() in {"strict", '"strict"'}
    return False
