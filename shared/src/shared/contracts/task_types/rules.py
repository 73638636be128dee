"""Relations of several fields of one request, whose values may be known later."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any


@dataclass(frozen=True)
class Mapped:
    """Stands for a value that an earlier step of a workflow will give.

    Attributes:
        extremes: the ends of what it may be.
    """

    extremes: tuple[Any, ...]


@dataclass(frozen=True)
class Rule:
    """One relation of fields.

    Attributes:
        fields: the fields that it looks at.
        check: takes their values in this order, and says what is wrong with them. Where it grows
            or falls with each number, the ends of a range tell all that lies between.
    """

    fields: tuple[str, ...]
    check: Callable[..., str | None]

    def fault(self, *values: Any) -> str | None:
        """Return what is wrong with the values; none where what is mapped may still fit."""
        ranges = [each.extremes if isinstance(each, Mapped) else (each,) for each in values]
        faults = [self.check(*chosen) for chosen in product(*ranges)]
        if not all(faults):
            return None
        named = zip(self.fields, values, strict=True)
        mapped = [name for name, value in named if isinstance(value, Mapped)]
        if not mapped:
            return faults[0]
        return f"no value that is mapped to {' and '.join(mapped)} fits: {faults[-1]}"


def one_of(first: str, second: str) -> Rule:
    """Return the rule of two fields that mean the same."""

    def check(one: object, other: object) -> str | None:
        is_twice = one is not None and other is not None
        return f"give {first} or {second}, not both" if is_twice else None

    return Rule((first, second), check)


def size_is_whole(width: str, height: str) -> Rule:
    """Return the rule of the two sides of one size."""

    def check(one: int | None, other: int | None) -> str | None:
        is_half = (one is None) != (other is None)
        return f"give {width} and {height}, both or neither" if is_half else None

    return Rule((width, height), check)
