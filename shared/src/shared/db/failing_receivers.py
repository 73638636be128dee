"""The rules for webhook receivers that keep failing: start of a failure, and disabling. Pure."""

from datetime import datetime, timedelta

DISABLED_AFTER = timedelta(days=5)
"""A receiver that has failed for this long is disabled: no more events are sent to it."""

_SAME_FAILURE_WITHIN = timedelta(hours=48)
"""Failures further apart than this count as separate: the receiver may have worked in between.
Twice the longest delay of the retry schedule (`shared.webhooks.schedule`)."""


def failing_since(begun: datetime | None, last: datetime | None, now: datetime) -> datetime:
    """Return the start of a receiver's present run of failures, including the one of now.

    Args:
        begun: the first failure after the last success; none if there was none.
        last: the failure before this one; none if there was none.
        now: this failure.
    """
    if begun is None or last is None or now - last > _SAME_FAILURE_WITHIN:
        return now
    return begun


def is_to_be_disabled(since: datetime, now: datetime) -> bool:
    """Return true if a receiver has failed for so long that it is to be disabled."""
    return now - since >= DISABLED_AFTER
