"""The editors of tiles, faces and details, which a request may choose."""

from enum import StrEnum


class EditorKind(StrEnum):
    """The way in which a picture's regions are edited."""

    STRENGTH = "strength"
    """The local model, image to image."""
    INSTRUCT = "instruct"
    """The local instruction model, where there is one."""
    VERTEX = "vertex"
    """Gemini's image model, which is paid for by the edit."""
