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
"""Delay before each attempt, as Standard Webhooks recommends: 75.6 hours in all."""

_JITTER = 0.1
"""Maximal relative jitter of a delay, so that a receiver is not flooded after an outage."""
_LONGEST_RETRY_AFTER_S = 24 * _HOUR


def delay_s(failures: int, jitter: float, retry_after_s: float | None = None) -> float | None:
    """Return the seconds until the next attempt; none if there is no further attempt.

    Args:
        failures: number of failed attempts, from 0.
        jitter: from 0 (10 % shorter) to 1 (10 % longer).
        retry_after_s: minimal delay that the receiver asked for; capped at one day.
    """
    if failures >= len(DELAYS_S):
        return None
    planned = DELAYS_S[failures] * (1 - _JITTER + 2 * _JITTER * jitter)
    return max(planned, min(retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S))
