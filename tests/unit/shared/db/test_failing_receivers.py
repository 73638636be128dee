"""The rules for webhook receivers that keep failing."""

from datetime import UTC, datetime, timedelta

from shared.db.failing_receivers import failing_since, is_to_be_disabled

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def test_failing_since_is_the_first_consecutive_failure() -> None:
    first = NOW - timedelta(days=4)
    assert failing_since(None, None, NOW) == NOW
    assert failing_since(first, NOW - timedelta(hours=26), NOW) == first
    # The failures are too far apart: it may have worked in between.
    assert failing_since(first, NOW - timedelta(hours=49), NOW) == NOW


def test_receiver_is_disabled_after_five_days() -> None:
    assert not is_to_be_disabled(NOW - timedelta(days=5) + timedelta(seconds=1), NOW)
    assert is_to_be_disabled(NOW - timedelta(days=5), NOW)
