"""Field types that requests and messages share, each with its bounds."""

from typing import Annotated

from pydantic import Field, StringConstraints

_INT64 = 2**63

Text = Annotated[str, StringConstraints(min_length=1)]
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
