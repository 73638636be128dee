"""Waiting for submitted work: retries of single requests, and polls until the work has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from provider_worker.errors import ResponseTooLargeError, UnusableResultError
from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.submissions import SubmittedWork
from shared.errors import PlatformError

_T = TypeVar("_T")
_TRIES = 5
"""Tries of one request before Temporal retries the activity."""
_BACKOFF_S, _LONGEST_WAIT_S = 0.5, 10.0


@dataclass(frozen=True)
class Pace:
    """The time between polls.

    Attributes:
        first_s: the first interval, in seconds.
        growth: factor of each interval to the one before.
        longest: the longest interval, as a multiple of the first.
    """

    first_s: float
    growth: float = 1.0
    longest: float = 1.0

    def after(self, interval_s: float) -> float:
        """Return the interval after one of `interval_s` seconds."""
        return min(interval_s * self.growth, self.longest * self.first_s)


async def with_retries(send: Callable[[], Awaitable[_T]]) -> _T:
    """Send a request up to five times, unless the error is final or a long wait is asked for.

    Raises:
        PlatformError: the error of the last try.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await send()
        except PlatformError as error:
            wait_s = max(_BACKOFF_S * 2 ** (tries - 1), error.retry_after_s or 0)
            is_final = error.is_final or not CONSEQUENCES[error.category].is_retried
            if is_final or tries == _TRIES or wait_s > _LONGEST_WAIT_S:
                raise
        await asyncio.sleep(wait_s)


async def poll_until_done(
    read: Callable[[], Awaitable[_T | None]],
    work: SubmittedWork,
    *,
    pace: Pace,
    name: str,
    timeout_s: float | None = None,
) -> _T:
    """Read the status until the work has ended, and return the last one.

    Args:
        read: one poll, which returns none while the work goes on.
        work: the submitted work.
        pace: the time between polls.
        name: of the provider, in error messages.
        timeout_s: seconds from the submission; none: those of the work.

    Raises:
        UnusableResultError: a status is too large.
        PlatformError: TIMEOUT and final if the work has not ended in time; else the error of a
            poll.
    """
    limit_s = work.timeout_s if timeout_s is None else timeout_s
    until = work.submission.submitted_at + timedelta(seconds=limit_s)
    interval_s = pace.first_s
    while True:
        try:
            ended = await with_retries(read)
        except ResponseTooLargeError as error:
            raise UnusableResultError(f"{error}, and is not read") from error
        except PlatformError as error:
            if error.is_final or datetime.now(UTC) < until:
                raise
            raise _timed_out(name, limit_s) from error
        if ended is not None:
            return ended
        left_s = (until - datetime.now(UTC)).total_seconds()
        if left_s <= 0:
            raise _timed_out(name, limit_s)
        await asyncio.sleep(min(interval_s, left_s))
        interval_s = pace.after(interval_s)


def _timed_out(name: str, limit_s: float) -> PlatformError:
    return PlatformError(
        f"{name} did not complete the work within {limit_s:g} s",
        category=ErrorCategory.TIMEOUT,
        is_final=True,
    )
