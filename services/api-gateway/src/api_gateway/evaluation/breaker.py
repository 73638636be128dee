"""The state of an evaluator's circuit breaker, read from how its evaluations went. Pure."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.contracts.enums import BreakerState
from shared.db.repositories.evaluations import EvaluationAttempt

FAILURES = 5
"""So many in a row open the breaker, where they lie within the window."""
WINDOW = timedelta(seconds=60)
OPEN_FOR = timedelta(seconds=60)


def breaker_state(attempts: Sequence[EvaluationAttempt], now: datetime) -> BreakerState:
    """The state after these attempts, oldest first.

    Five failures in a row within 60 seconds open the breaker. 60 seconds after the last failure it
    is half-open: a success closes it, a failure opens it again.
    """
    last_failures = deque[datetime](maxlen=FAILURES)
    opened_at: datetime | None = None
    for attempt in attempts:
        if attempt.is_success:
            last_failures.clear()
            opened_at = None
            continue
        last_failures.append(attempt.at)
        is_burst = len(last_failures) == FAILURES and attempt.at - last_failures[0] <= WINDOW
        if is_burst or opened_at is not None:
            opened_at = attempt.at
    if opened_at is None:
        return BreakerState.CLOSED
    return BreakerState.OPEN if now - opened_at < OPEN_FOR else BreakerState.HALF_OPEN
