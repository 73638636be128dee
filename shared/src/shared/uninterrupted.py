"""Awaiting work that must finish despite a cancellation. Pure asyncio, usable in workflows."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def uninterrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Await the work to its end, and swallow cancellations that arrive meanwhile.

    `is_cancelling` still reports them. The work must limit its own time.
    """
    doing = asyncio.ensure_future(work)
    while not doing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(doing)
    return await doing


def is_cancelling() -> bool:
    """Return true if the current task was cancelled, even if the cancellation was swallowed."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
