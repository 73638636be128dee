"""The gate for values from outside: bounded, and storable as Postgres text and JSON. Pure.

What a provider answers, what one step hands to the next and what an error says can be anything. It
passes here before it enters a result, a mapping, an error text or a record.
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
"""What is beyond it, readers of JSON that count in doubles take for infinite."""
_LONGEST_ERROR = 2000
_LONGEST_CHAIN = 10


@dataclass(frozen=True)
class Limits:
    """How large a value may be.

    Attributes:
        max_bytes: as JSON; none: whoever read it has bounded it.
        max_values: strings, numbers, lists and objects, all together; none: the same.
        max_depth: of lists and objects within each other. Parsers and serializers of JSON give up
            at twice that.
    """

    max_bytes: int | None = None
    max_values: int | None = None
    max_depth: int = 100


STORABLE = Limits()
"""Of a request, whose body is bounded before it is parsed."""
RESULT = Limits(max_bytes=1024 * 1024, max_values=100_000)
"""Of a task's result: Temporal carries 2 MiB, the encryption of payloads included."""
MAPPED = Limits(max_bytes=256 * 1024, max_values=10_000)
"""Of what is mapped into one step, beside inputs of up to 1 MiB."""


class UntrustedValueError(ValueError):
    """A value from outside that is not let in; the message says which limit it breaks."""


def admit(value: object, limits: Limits) -> int:
    """Let a value in.

    Returns:
        Its size as JSON, in bytes.

    Raises:
        UntrustedValueError: it is larger than its limits, or no record can hold it.
    """
    fault = find_fault(value, limits)
    if fault is not None:
        raise UntrustedValueError(fault)
    size = len(to_json(value))
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise UntrustedValueError(_too_large(limits.max_bytes))
    return size


def find_fault(value: object, limits: Limits = STORABLE) -> str | None:
    """Say why a value is not let in, in linear time; its exact size is `admit`'s to measure."""
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
    """The same data with every text storable, as deep as data may be."""
    return _cleaned(value, STORABLE.max_depth)


def clean_text(text: str, longest: int = _LONGEST_ERROR) -> str:
    """A text as every record can hold it: without NUL and halves of characters, and not too long.

    An error must not fail for what it says, so that nothing is refused here.
    """
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    return _clean(text)


def describe_error(error: Exception) -> str:
    """What a validation found wrong, field by field; of another error, its kind and its words."""
    if isinstance(error, ValidationError):
        return clean_text(describe_faults(error))
    return clean_text(f"{type(error).__name__}: {without_reprs(str(error))}")


def storable_cause(error: Exception) -> Exception | None:
    """The error, to be shown as a failure's cause; none where a text in its chain is not storable.

    Temporal spells out the whole chain, as it is.
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
"""What went wrong, whoever says it."""
Prose = Annotated[str, _cleans(4000)]
"""What a model says of a picture."""
Label = Annotated[str, _cleans(500)]
"""A name or an address that somebody else has given."""

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
        return "a text has a NUL character; leave it out"
    # Most texts, and all large ones, are ASCII.
    if not text.isascii() and _LONE_SURROGATE.search(text):
        return "a text has half of a surrogate pair; leave it out"
    return None


def _number_fault(number: float) -> str | None:
    if -_LARGEST <= number <= _LARGEST:
        return None
    # The digits of an integer may be too many to be written down.
    named = number if isinstance(number, float) else f"one of {number.bit_length()} bits"
    return f"{named} is no number that JSON can hold; give a finite one"


def _clean(text: str) -> str:
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))


def _too_large(max_bytes: int) -> str:
    return f"is larger than {max_bytes} bytes"
