"""`Retry-After` in the formats of RFC 9110, and in malformed ones."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.egress.retry_after import LONGEST_RETRY_AFTER_S, parse_retry_after

_NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
_NUMBER = st.integers().map(str) | st.integers(0, 99).map("{:02}".format)
_DATES = st.builds(
    "{}, {}{sep}{}{sep}{} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Monday", "", "Xyz"]),
    _NUMBER,
    st.sampled_from(["Jan", "Dec", "Foo"]),
    _NUMBER,
    _NUMBER,
    _NUMBER,
    _NUMBER,
    st.sampled_from(["GMT", "-0000", "EST", ""]) | st.integers().map("{:+}".format),
    sep=st.sampled_from([" ", "-", "  "]),
)


def test_seconds_and_dates_in_all_formats_are_read() -> None:
    assert parse_retry_after("120", _NOW) == 120
    for date in (
        "Tue, 24 Nov 2026 12:01:00 GMT",
        "Tuesday, 24-Nov-26 12:01:00 GMT",
        "Tue Nov 24 12:01:00 2026",
    ):
        assert parse_retry_after(date, _NOW) == 60
    earlier = format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True)
    assert parse_retry_after(earlier, _NOW) == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        *("", " ", "-", "soon", "-1", "1.5", "²", "NaN", "inf"),
        "Mon, 1 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 1 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 1 Jan 9999 00:00:00 -9999",
        "Mon, 1 Jan 2026 " + "9" * 5000 + ":00:00 GMT",
    ],
)
def test_other_values_are_ignored(nonsense: str) -> None:
    assert parse_retry_after(nonsense, _NOW) is None


def test_delay_is_capped_at_a_day() -> None:
    later = format_datetime(_NOW + timedelta(days=400), usegmt=True)
    for value in ("86401", "9" * 5000, later, "Fri, 31 Dec 9999 23:59:59 -2359"):
        assert parse_retry_after(value, _NOW) == LONGEST_RETRY_AFTER_S == 86_400


@given(st.text() | _DATES)
@example("Mon, 1 Jan 0001 00:00:00 +2359")
def test_any_text_is_a_delay_or_none(value: str) -> None:
    seconds = parse_retry_after(value, _NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_S
