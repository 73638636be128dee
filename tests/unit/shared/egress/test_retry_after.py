"""`Retry-After` as RFC 9110 has it."""

from datetime import UTC, datetime
from email.utils import format_datetime

from shared.egress.retry_after import parse_retry_after

_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_retry_after_is_read_as_seconds_and_as_date() -> None:
    assert parse_retry_after("120", _NOW) == 120
    later = format_datetime(datetime(2026, 11, 24, 12, 1, tzinfo=UTC), usegmt=True)
    assert parse_retry_after(later, _NOW) == 60
    earlier = format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True)
    assert parse_retry_after(earlier, _NOW) == 0
    for nonsense in ("", "soon", "-1", "1.5", "²"):
        assert parse_retry_after(nonsense, _NOW) is None
