"""The number of examples of a costly property test."""

from hypothesis import settings


def up_to(most: int) -> int:
    """Return the number of examples of the profile, at most `most`."""
    return min(most, settings.default.max_examples)
