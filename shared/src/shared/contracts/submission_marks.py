"""Objects in an attempt's folder that prevent a second payment. Pure.

Clients can neither list nor read nor remove them.
"""

SENT = "sent"
"""Made before a paid request is sent: whoever makes it may send."""
ANSWER = "answer"
"""The provider's response to that request."""

_MARKS = (f"/{SENT}", f"/{ANSWER}")


def is_mark(key: str) -> bool:
    """Return true if an object key is one of a mark; results have suffixes."""
    return key.endswith(_MARKS)
