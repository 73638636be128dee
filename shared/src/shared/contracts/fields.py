"""Field types with bounds that requests and messages share."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_INT64 = 2**63
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me", "Cn"})
"""Unicode categories without a visible glyph: controls, formats, separators, combining marks."""
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that are letters or symbols by category and still blank."""

_BREAKS = frozenset({"Cc", "Zl", "Zp"})

TRIGGER_PLACEHOLDER = "[trigger]"
"""Stands for the trigger word in prompts and captions of a training."""

_MAX_CHECKED_CHARS = 2**20
"""More than any run's input has."""


def is_blank(text: str) -> bool:
    """Return true if a text is empty or has only white space and invisible characters.

    Only the first 2**20 characters are checked.
    """
    characters = set(text[:_MAX_CHECKED_CHARS])
    return all(each in _FILLERS or unicodedata.category(each) in _INVISIBLE for each in characters)


def _check_not_blank(text: str) -> str:
    if is_blank(text):
        raise ValueError(
            "has only white space or invisible characters; write at least one visible character"
        )
    return text


def _check_empty_or_not_blank(text: str) -> str:
    if text and is_blank(text):
        raise ValueError(
            "has only white space or invisible characters; write at least one visible character, "
            "or omit the field"
        )
    return text


def _check_trigger_word(text: str) -> str:
    if any(unicodedata.category(each) in _BREAKS for each in text):
        raise ValueError("has a line break, tab or other control character; remove it")
    if TRIGGER_PLACEHOLDER in text:
        raise ValueError(f"contains {TRIGGER_PLACEHOLDER}, which stands for it; write the word")
    return text


Text = Annotated[str, StringConstraints(min_length=1)]
Prompt = Annotated[str, StringConstraints(min_length=1), AfterValidator(_check_not_blank)]
OptionalPrompt = Annotated[str, AfterValidator(_check_empty_or_not_blank)]
"""A prompt that may be omitted. An empty string counts as omitted."""
TriggerWord = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_check_not_blank),
    AfterValidator(_check_trigger_word),
]
"""A training's word. It is short since it replaces each placeholder in up to 1 MiB of prompts."""
ImageSource = Annotated[str, StringConstraints(min_length=1)]
"""Base64, data URL, remote URL or storage path."""
ImageSources = Annotated[list[ImageSource], Field(max_length=100)]
"""Bounded because each invalid item is reported as an error of its own."""

Seed = Annotated[int, Field(ge=0, lt=_INT64)]
Pixels = Annotated[int, Field(ge=1, le=16_384)]
Steps = Annotated[int, Field(ge=1, le=200)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Percentage = Annotated[float, Field(ge=0, le=100)]
Brightness = Annotated[int, Field(ge=0, le=255)]
