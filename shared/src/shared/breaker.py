"""State machine of a circuit breaker. Pure; the database stores one for each provider and vendor.

Five consecutive failures open it. After 60 seconds it is half-open: one attempt at a time probes
the provider; two successes close it, a failure opens it again. After M. Nygard, Release It!, 2nd
edition, "Circuit Breaker".
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.contracts.enums import BreakerState

FAILURES_TO_OPEN = 5
OPEN_FOR = timedelta(seconds=60)
SUCCESSES_TO_CLOSE = 2
PROBE_FOR = timedelta(minutes=30)
"""A probe whose outcome is never reported expires after the longest duration of an attempt."""
EVALUATION_PROBE_FOR = timedelta(minutes=2)
"""The same for the probe of an evaluation, which a client awaits."""


@dataclass(frozen=True)
class Breaker:
    """The circuit breaker of a provider.

    Attributes:
        failures: consecutive failures.
        successes: consecutive successes while half-open.
        opened_at: time of the last opening; none: it is closed.
        probing_since: start of the probe in progress; none: no probe.
    """

    failures: int = 0
    successes: int = 0
    opened_at: datetime | None = None
    probing_since: datetime | None = None

    def state(self, now: datetime) -> BreakerState:
        """Return the state at a time."""
        if self.opened_at is None:
            return BreakerState.CLOSED
        is_over = now - self.opened_at >= OPEN_FOR
        return BreakerState.HALF_OPEN if is_over else BreakerState.OPEN

    def admit(self, now: datetime, probe_for: timedelta = PROBE_FOR) -> "Breaker | None":
        """Return the breaker after admitting an attempt; none if it does not admit one.

        Args:
            now: time of the request.
            probe_for: time after which an earlier probe no longer counts.
        """
        state = self.state(now)
        if state is BreakerState.CLOSED:
            return self
        is_probed = self.probing_since is not None and now - self.probing_since < probe_for
        if state is BreakerState.OPEN or is_probed:
            return None
        return replace(self, probing_since=now)

    def after(self, now: datetime, *, is_success: bool | None) -> "Breaker":
        """Return the breaker after the end of an attempt.

        Attempts that started before it opened count as well.

        Args:
            now: time of the end.
            is_success: outcome of the attempt; none: the outcome does not concern the provider.
        """
        if is_success is None:
            return replace(self, probing_since=None)
        if is_success:
            if self.opened_at is None:
                return Breaker()
            if self.state(now) is BreakerState.OPEN:
                return self
            closing = replace(self, successes=self.successes + 1, failures=0, probing_since=None)
            return Breaker() if closing.successes >= SUCCESSES_TO_CLOSE else closing
        failures = self.failures + 1
        if self.opened_at is None and failures < FAILURES_TO_OPEN:
            return replace(self, failures=failures)
        is_open = self.state(now) is BreakerState.OPEN
        return Breaker(failures=failures, opened_at=self.opened_at if is_open else now)
