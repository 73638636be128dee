"""Rules that involve several fields of one request, some of whose values may be mapped later."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any


@dataclass(frozen=True)
class Mapped:
    """A placeholder for a value that an earlier step of a workflow will provide.

    Attributes:
        extremes: the ends of the range of possible values, or all choices.
    """

    extremes: tuple[Any, ...]


@dataclass(frozen=True)
class Rule:
    """A rule that involves several fields.

    Attributes:
        fields: the fields that it reads.
        check: takes their values in this order and returns an error, or none. It must be monotonic
            in each number, so that checking the ends of a range covers the values between.
    """

    fields: tuple[str, ...]
    check: Callable[..., str | None]

    def fault(self, *values: Any) -> str | None:
        """Return the error of the values; none if some mapped value can still satisfy the rule."""
        ranges = [each.extremes if isinstance(each, Mapped) else (each,) for each in values]
        faults = [self.check(*chosen) for chosen in product(*ranges)]
        if not all(faults):
            return None
        named = zip(self.fields, values, strict=True)
        mapped = [name for name, value in named if isinstance(value, Mapped)]
        if not mapped:
            return faults[0]
        return f"no value that is mapped to {' and '.join(mapped)} is valid: {faults[-1]}"


def one_of(first: str, second: str) -> Rule:
    """Return the rule that at most one of two equivalent fields is set."""

    def check(one: object, other: object) -> str | None:
        is_twice = one is not None and other is not None
        return f"give {first} or {second}, not both" if is_twice else None

    return Rule((first, second), check)


def size_is_whole(width: str, height: str) -> Rule:
    """Return the rule that both sides of a size are set, or neither."""

    def check(one: int | None, other: int | None) -> str | None:
        is_half = (one is None) != (other is None)
        return f"give {width} and {height}, both or neither" if is_half else None

    return Rule((width, height), check)
