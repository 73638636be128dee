"""Texts of Python exceptions and pydantic errors, made readable for clients. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_ENUM_MEMBER = re.compile(r"<[A-Za-z_]\w*\.\w+: ('[^']*'|-?\d+)>")
_OBJECT = re.compile(r"\s*<[^<>]*\bat 0x[0-9A-Fa-f]+>")
_OF_AN_OBJECT = frozenset({"dict_type", "mapping_type", "model_type", "model_attributes_type"})
_MAX_LINE_CHARS = 200
_MAX_FAULTS = 10


def without_reprs(text: str) -> str:
    """Return a text with enum reprs replaced by their values, and without object reprs."""
    return _OBJECT.sub("", _ENUM_MEMBER.sub(r"\1", text))


def one_line(error: Exception) -> str:
    """Return an error's text in one line, truncated; its type if the text is empty."""
    text = " ".join(without_reprs(str(error)).split()) or type(error).__name__
    return text if len(text) <= _MAX_LINE_CHARS else f"{text[: _MAX_LINE_CHARS - 1]}…"


def describe_fault(fault: Mapping[str, Any]) -> str:
    """Return the text of one error of pydantic, without its location."""
    context: Mapping[str, Any] = fault.get("ctx") or {}
    match fault["type"]:
        case "json_invalid":
            return f"the body is not valid JSON: {context['error']}"
        case "union_tag_invalid":
            return without_reprs(
                f"{context['discriminator']} must be one of {context['expected_tags']}"
            )
        case kind if kind in _OF_AN_OBJECT:
            return "must be an object"
        case _:
            return without_reprs(fault["msg"]).removeprefix("Value error, ")


def describe_faults(error: ValidationError) -> str:
    """Return the first errors with their locations, and the number of further ones."""
    faults = error.errors(include_url=False, include_input=False)
    shown = [
        f"{'.'.join(map(str, fault['loc']))}: {describe_fault(fault)}".removeprefix(": ")
        for fault in faults[:_MAX_FAULTS]
    ]
    more = len(faults) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])
