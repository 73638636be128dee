"""Heartbeats of a running activity, for liveness and cancellation."""

import asyncio
from types import TracebackType
from typing import Any, Self

from temporalio import activity


class Heartbeat:
    """Sends heartbeats in the background while its body runs.

    The body must not block the event loop (blocking work belongs in an executor): without
    heartbeats Temporal considers the worker dead. A cancellation arrives with the response to a
    heartbeat, and raises `asyncio.CancelledError` in the body.

    Args:
        every_s: seconds between heartbeats; must be well below the activity's heartbeat timeout.
    """

    def __init__(self, every_s: float = 1.0) -> None:
        self.details: tuple[Any, ...] = ()
        """Progress that the next attempt finds in its `heartbeat_details`."""
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        while True:
            activity.heartbeat(*self.details)
            await asyncio.sleep(self._every_s)
