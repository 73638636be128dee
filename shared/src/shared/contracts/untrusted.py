"""Validation of untrusted values: bounded in size, and storable as Postgres text and JSON. Pure.

Responses of providers, mapped values and error texts can contain anything. They are checked or
cleaned here before they enter a result, a mapping, an error or the database.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, ValidationError
from pydantic_core import to_json

from shared.contracts.error_text import describe_faults, without_reprs

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST = int(sys.float_info.max)
"""The largest double: JSON readers that use doubles take larger numbers for infinity."""
_LONGEST_ERROR = 2000
_LONGEST_CHAIN = 10


@dataclass(frozen=True)
class Limits:
    """Bounds on the size of a value.

    Attributes:
        max_bytes: of its JSON. None: already bounded by its reader.
        max_values: number of strings, numbers, lists and objects together. None: the same.
        max_depth: nesting of lists and objects. JSON parsers and serializers fail at twice that.
    """

    max_bytes: int | None = None
    max_values: int | None = None
    max_depth: int = 100


STORABLE = Limits()
"""Limits of a request, whose body is bounded before it is parsed."""
RESULT = Limits(max_bytes=1024 * 1024, max_values=100_000)
"""Limits of a task's result: Temporal's payloads hold 2 MiB, encryption included."""
MAPPED = Limits(max_bytes=256 * 1024, max_values=10_000)
"""Limits of the values mapped into one step, in addition to inputs of up to 1 MiB."""


class UntrustedValueError(ValueError):
    """An untrusted value was rejected; the message names the limit that it exceeds."""


def admit(value: object, limits: Limits) -> int:
    """Check a value against its limits.

    Returns:
        The size of its JSON, in bytes.

    Raises:
        UntrustedValueError: it exceeds the limits or cannot be stored.
    """
    fault = find_fault(value, limits)
    if fault is not None:
        raise UntrustedValueError(fault)
    size = len(to_json(value))
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise UntrustedValueError(_too_large(limits.max_bytes))
    return size


def find_fault(value: object, limits: Limits = STORABLE) -> str | None:
    """Return why a value is not admitted, or none. Linear in its size.

    The size limit is only approximated by the number of characters; `admit` checks it exactly.
    """
    num_values = num_characters = 0
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            num_characters += len(part)
            if limits.max_bytes is not None and num_characters > limits.max_bytes:
                return _too_large(limits.max_bytes)
            fault = _text_fault(part)
        elif isinstance(part, float | int):
            fault = _number_fault(part)
        else:
            parts = _parts(part)
            num_values += len(parts)
            if limits.max_values is not None and num_values > limits.max_values:
                return f"has more than {limits.max_values} values"
            is_too_deep = parts is not _NOTHING and depth == limits.max_depth
            fault = f"is nested more than {limits.max_depth} levels deep" if is_too_deep else None
            waiting.extend((each, depth + 1) for each in parts)
        if fault is not None:
            return fault
    return None


def cleaned(value: Any) -> Any:
    """Return a copy in which every text is storable, down to the maximal depth."""
    return _cleaned(value, STORABLE.max_depth)


def clean_text(text: str, longest: int = _LONGEST_ERROR) -> str:
    """Return a text that can be stored: without NUL and lone surrogates, and truncated.

    Nothing is refused: reporting an error must not fail because of the error's text.
    """
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    return _clean(text)


def describe_error(error: Exception) -> str:
    """Return the text of an error: of a validation field by field, otherwise type and message."""
    if isinstance(error, ValidationError):
        return clean_text(describe_faults(error))
    return clean_text(f"{type(error).__name__}: {without_reprs(str(error))}")


def storable_cause(error: Exception) -> Exception | None:
    """Return the error for use as a failure's cause; none if a text in its chain is not storable.

    Temporal serialises the whole chain of causes unchanged.
    """
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return error
        text = str(link)
        if clean_text(text) != text:
            return None
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return None


def _cleans(longest: int) -> BeforeValidator:
    clean: Callable[[str], str] = partial(clean_text, longest=longest)
    return BeforeValidator(lambda value: clean(value) if isinstance(value, str) else value)


ErrorText = Annotated[str, _cleans(_LONGEST_ERROR)]
"""The text of an error, from any source."""
Prose = Annotated[str, _cleans(4000)]
"""A description of a picture, written by a model."""
Label = Annotated[str, _cleans(500)]
"""A name or an address from an outside service."""

_NOTHING: list[object] = []


def _cleaned(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if not levels:
        return value
    if isinstance(value, list):
        return [_cleaned(item, levels - 1) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {_clean(name): _cleaned(item, levels - 1) for name, item in named.items()}
    return value


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return [part for pair in pairs for part in pair]
    return cast("list[object]", value) if isinstance(value, list | tuple) else _NOTHING


def _text_fault(text: str) -> str | None:
    if "\0" in text:
        return "a text has a NUL character; remove it"
    # Most texts, and all large ones, are ASCII.
    if not text.isascii() and _LONE_SURROGATE.search(text):
        return "a text has half of a surrogate pair; remove it"
    return None


def _number_fault(number: float) -> str | None:
    if -_LARGEST <= number <= _LARGEST:
        return None
    # An integer may have too many digits to convert to text.
    named = number if isinstance(number, float) else f"an integer of {number.bit_length()} bits"
    return f"{named} is not a number that JSON can hold; use a finite one in the range of a double"


def _clean(text: str) -> str:
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))


def _too_large(max_bytes: int) -> str:
    return f"is larger than {max_bytes} bytes"
