"""Text for people."""


def shorten(text: str, length: int) -> str:
    """At most `length` characters, on one line; what was cut shows as an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
