"""Field types that requests and messages share, each with its bounds."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_INT64 = 2**63
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me", "Cn"})
"""Categories of Unicode that show nothing by themselves: controls, formats, blanks, marks."""
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by category, and blank all the same."""

_LOOKED_AT = 2**20
"""Letters; a run's input is smaller."""


def is_blank(text: str) -> bool:
    """Whether nobody sees anything of a text: it is empty, white space or of zero width.

    The rest of a text that no run can carry is not looked at.
    """
    letters = set(text[:_LOOKED_AT])
    return all(each in _FILLERS or unicodedata.category(each) in _INVISIBLE for each in letters)


def _says_something(text: str) -> str:
    if is_blank(text):
        raise ValueError("must say something: it has nothing but white space or invisible letters")
    return text


def _says_something_or_nothing(text: str) -> str:
    if text and is_blank(text):
        raise ValueError(
            "has nothing but white space or invisible letters; say something, or leave it out"
        )
    return text


Text = Annotated[str, StringConstraints(min_length=1)]
Prompt = Annotated[str, StringConstraints(min_length=1), AfterValidator(_says_something)]
OptionalPrompt = Annotated[str, AfterValidator(_says_something_or_nothing)]
"""Of one that may be left out; empty counts as left out."""
ImageSource = Annotated[str, StringConstraints(min_length=1)]
"""Base64, data URL, remote URL or storage path."""
ImageSources = Annotated[list[ImageSource], Field(max_length=100)]
"""Far more than a task needs: each wrong item is a fault of its own."""

Seed = Annotated[int, Field(ge=0, lt=_INT64)]
Pixels = Annotated[int, Field(ge=1, le=16_384)]
Steps = Annotated[int, Field(ge=1, le=200)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Percentage = Annotated[float, Field(ge=0, le=100)]
Brightness = Annotated[int, Field(ge=0, le=255)]
