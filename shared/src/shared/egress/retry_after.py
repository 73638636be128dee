"""Parser of the Retry-After header (RFC 9110, section 10.2.3). Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER_S = 86_400.0
"""Upper bound on the delay that a remote side may ask for."""
_MAX_DATE_CHARS = 64
"""The longest format of a date has 33 characters."""


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Return the delay in seconds, from 0 to one day.

    Args:
        value: of the header: a number of seconds, or a date in one of HTTP's three formats.
        now: the current time.

    Returns:
        None if the value is neither.
    """
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    if len(value) > _MAX_DATE_CHARS:
        return None
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # `-0000`
            moment = moment.replace(tzinfo=UTC)
        asked = (moment - now).total_seconds()
    except (ValueError, TypeError, ArithmeticError, LookupError):  # numbers beyond any date too
        return None
    return min(max(0.0, asked), LONGEST_RETRY_AFTER_S)
