"""How long the other side wants to be left alone (RFC 9110, section 10.2.3). Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds from now.

    Args:
        value: of the header, a number of seconds or a date.
        now: the time.

    Returns:
        None for what is neither.
    """
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:  # `-0000`
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
