"""The retry schedule of a delivery that failed, and its end."""

_SECOND, _MINUTE, _HOUR = 1.0, 60.0, 3600.0

DELAYS_S = (
    0.0,
    5 * _SECOND,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""Waits before each attempt: those that Standard Webhooks recommends, 75.6 hours in all."""

_JITTER = 0.1
"""Waits are shorter or longer by up to so much, so that a receiver that comes back is not run over
by all that waited for it."""
_LONGEST_RETRY_AFTER_S = 24 * _HOUR


def delay_s(failures: int, jitter: float, retry_after_s: float | None = None) -> float | None:
    """Seconds until the next attempt; none where there is none any more.

    Args:
        failures: attempts that have failed, from 0.
        jitter: a number from 0 to 1: the wait is between 10 % shorter and 10 % longer.
        retry_after_s: the least wait that the receiver asked for; a day at most is granted.
    """
    if failures >= len(DELAYS_S):
        return None
    planned = DELAYS_S[failures] * (1 - _JITTER + 2 * _JITTER * jitter)
    return max(planned, min(retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S))
