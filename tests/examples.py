"""How many examples a costly property test tries."""

from hypothesis import settings


def up_to(most: int) -> int:
    """Return what the profile says, at most `most`."""
    return min(most, settings.default.max_examples)
