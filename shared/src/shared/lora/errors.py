"""What is wrong with a LoRA file or its name, in words for who sent it."""

_LONGEST_SHOWN = 80


class LoraFileError(ValueError):
    """The file is not a LoRA that can be stored; the message says what would be right."""


class LoraNameError(ValueError):
    """The name cannot be stored; the message says what would be right."""


def shown(name: str) -> str:
    """A name out of an untrusted file, fit for a message."""
    short = name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…"
    return ascii(short)
