"""Results of activities that complete in the same workflow task in which the run is cancelled."""

import asyncio
from typing import TypeVar

from temporalio import workflow

_T = TypeVar("_T")
_KEPT = "completed-activities-are-kept"
_STEPS = 10
"""Steps of the event loop in which a completion that has arrived reaches the activity's handle."""


async def completed(handle: "workflow.ActivityHandle[_T]") -> _T:
    """Await an activity, and pass a cancellation on to it unless it has completed.

    Awaited directly, an activity whose completion arrives together with a cancellation raises
    `asyncio.CancelledError`: its result, such as the id of paid work, is lost. `is_cancelling`
    reports the cancellation here.

    Raises:
        ActivityError: the activity failed or was cancelled.
    """
    while True:
        try:
            return await asyncio.shield(handle)
        except asyncio.CancelledError:
            await _settle()
            if handle.cancelled() or (handle.done() and not workflow.patched(_KEPT)):
                raise
            if not handle.done():
                handle.cancel()


async def _settle() -> None:
    for _ in range(_STEPS):
        await asyncio.sleep(0)
