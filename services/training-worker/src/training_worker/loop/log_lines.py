"""Lines that the loop has for the training's log."""

from collections.abc import Callable

Say = Callable[[str], object]
"""Takes a line that the client should see."""


def say_nothing(line: str) -> None:
    """Drop a line."""
