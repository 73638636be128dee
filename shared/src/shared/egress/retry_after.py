"""How long the other side wants to be left alone (RFC 9110, section 10.2.3). Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER_S = 86_400.0
"""No stranger has us wait for longer."""
_LONGEST_DATE = 64
"""Characters; the longest spelling of a date has 33."""


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from now, a day at most, whatever a stranger has written.

    Args:
        value: of the header: a number of seconds, or a date in one of HTTP's three spellings.
        now: the time.

    Returns:
        None for what is neither.
    """
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    if len(value) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # `-0000`
            moment = moment.replace(tzinfo=UTC)
        asked = (moment - now).total_seconds()
    except (ValueError, TypeError, ArithmeticError, LookupError):  # numbers beyond any date too
        return None
    return min(max(0.0, asked), LONGEST_RETRY_AFTER_S)
