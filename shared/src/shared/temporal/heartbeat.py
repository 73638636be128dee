"""Liveness and cancellation of a running activity: a beat a second from the event loop."""

import asyncio
from types import TracebackType
from typing import Self

from temporalio import activity


class Heartbeat:
    """Beats in the background while its body runs.

    The body must leave the event loop free (blocking work belongs in an executor): a blocked loop
    sends no beats, and Temporal then takes the worker for dead. Cancellation reaches the body as
    `asyncio.CancelledError` on the answer to a beat.

    Args:
        every_s: seconds between beats, to be well below the activity's heartbeat timeout.
    """

    def __init__(self, every_s: float = 1.0) -> None:
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
            activity.heartbeat()
            await asyncio.sleep(self._every_s)
