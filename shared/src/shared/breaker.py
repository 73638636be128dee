"""A circuit breaker's states. Pure: the records hold one for each provider.

Five failures in a row open it. After 60 seconds it is half-open: one attempt at a time probes the
provider; two successes close it, a failure opens it again. After M. Nygard, Release It!, 2nd
edition, "Circuit Breaker".
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.contracts.enums import BreakerState

FAILURES_TO_OPEN = 5
OPEN_FOR = timedelta(seconds=60)
SUCCESSES_TO_CLOSE = 2
PROBE_FOR = timedelta(minutes=30)
"""A probe whose end nobody told holds its place no longer than the longest attempt may take."""


@dataclass(frozen=True)
class Breaker:
    """What is known of a provider.

    Attributes:
        failures: in a row.
        successes: in a row since it was half-open.
        opened_at: when it last opened; none: it is closed.
        probing_since: when a probe was let through whose end is awaited.
    """

    failures: int = 0
    successes: int = 0
    opened_at: datetime | None = None
    probing_since: datetime | None = None

    def state(self, now: datetime) -> BreakerState:
        """Its state at this moment."""
        if self.opened_at is None:
            return BreakerState.CLOSED
        is_over = now - self.opened_at >= OPEN_FOR
        return BreakerState.HALF_OPEN if is_over else BreakerState.OPEN

    def admit(self, now: datetime) -> "Breaker | None":
        """The breaker once it has let an attempt through; none where it lets none through."""
        state = self.state(now)
        if state is BreakerState.CLOSED:
            return self
        is_probed = self.probing_since is not None and now - self.probing_since < PROBE_FOR
        if state is BreakerState.OPEN or is_probed:
            return None
        return replace(self, probing_since=now)

    def after(self, now: datetime, *, is_success: bool | None) -> "Breaker":
        """The breaker after an attempt has ended; `None`: which says nothing about the provider.

        An attempt that began before it opened counts, too: what succeeds shows that the provider
        is back, and what fails that it is not.
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
