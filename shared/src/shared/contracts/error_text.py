"""What Python and its libraries say of an error, in words that clients can use. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_ENUM_MEMBER = re.compile(r"<[A-Za-z_]\w*\.\w+: ('[^']*'|-?\d+)>")
_OBJECT = re.compile(r"\s*<[^<>]*\bat 0x[0-9A-Fa-f]+>")
_OF_AN_OBJECT = frozenset({"dict_type", "mapping_type", "model_type", "model_attributes_type"})
_LONGEST_LINE = 200
_MOST_FAULTS = 10


def without_reprs(text: str) -> str:
    """A text without the names that only Python knows: members of enums, and addresses."""
    return _OBJECT.sub("", _ENUM_MEMBER.sub(r"\1", text))


def one_line(error: Exception) -> str:
    """All that an error says, as far as one line has room; its type where it says nothing."""
    text = " ".join(without_reprs(str(error)).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1]}…"


def describe_fault(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic has found, without its place."""
    context: Mapping[str, Any] = fault.get("ctx") or {}
    match fault["type"]:
        case "json_invalid":
            return f"the body is no JSON: {context['error']}"
        case "union_tag_invalid":
            return without_reprs(
                f"{context['discriminator']} must be one of {context['expected_tags']}"
            )
        case kind if kind in _OF_AN_OBJECT:
            return "must be an object"
        case _:
            return without_reprs(fault["msg"]).removeprefix("Value error, ")


def describe_faults(error: ValidationError) -> str:
    """What is wrong, each with its place: the first few, and how many more there are."""
    faults = error.errors(include_url=False, include_input=False)
    shown = [
        f"{'.'.join(map(str, fault['loc']))}: {describe_fault(fault)}".removeprefix(": ")
        for fault in faults[:_MOST_FAULTS]
    ]
    more = len(faults) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])
