"""Values that an option of a remote service may have. Pure."""

from dataclasses import dataclass
from typing import Any, Protocol


class Option(Protocol):
    """The values that one option may have."""

    def fault(self, value: object) -> str | None:
        """Return why a value is not admitted, or none."""
        ...


@dataclass(frozen=True)
class Choices:
    """One of several values; a number does not equal a text that spells it."""

    values: tuple[str | int, ...]

    def fault(self, value: object) -> str | None:
        """Return why a value is not admitted, or none."""
        is_one = any(value == each and type(value) is type(each) for each in self.values)
        return None if is_one else f"must be one of {', '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Bounds:
    """A number between two others, both included."""

    low: float
    high: float
    is_whole: bool = False

    def fault(self, value: object) -> str | None:
        """Return why a value is not admitted, or none."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            is_whole = isinstance(value, int) or value.is_integer()
            if self.low <= value <= self.high and (is_whole or not self.is_whole):
                return None
        kind = "whole number" if self.is_whole else "number"
        return f"must be a {kind} from {self.low:g} to {self.high:g}"


def as_sent(option: Option, value: Any) -> Any:
    """Return an admitted value as services take it: a whole number without a fraction of zero."""
    is_whole = isinstance(option, Bounds) and option.is_whole
    return int(value) if is_whole and isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def fault(self, value: object) -> str | None:
        """Return why a value is not admitted, or none."""
        return None if isinstance(value, bool) else "must be true or false"


@dataclass(frozen=True)
class Words:
    """A text of limited length."""

    max_chars: int

    def fault(self, value: object) -> str | None:
        """Return why a value is not admitted, or none."""
        is_text = isinstance(value, str) and len(value) <= self.max_chars
        return None if is_text else f"must be a text of at most {self.max_chars} characters"
