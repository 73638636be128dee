"""Errors of LoRA files and names; the messages are for the client."""

_MAX_SHOWN_CHARS = 80


class LoraFileError(ValueError):
    """The file is not a LoRA that can be stored; the message says the cause and the remedy."""


class LoraNameError(ValueError):
    """The name cannot be stored; the message says what is allowed."""


def shown(name: str) -> str:
    """Return a name from an untrusted file for use in a message: escaped and truncated."""
    short = name if len(name) <= _MAX_SHOWN_CHARS else name[:_MAX_SHOWN_CHARS] + "…"
    return ascii(short)
