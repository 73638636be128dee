"""Awaiting what must be done although we are being cancelled. Pure asyncio, fit for workflows."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def uninterrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work to its end; a cancellation that comes meanwhile changes nothing, and is dropped.

    `is_cancelling` still tells of it. The work bounds its own time.
    """
    doing = asyncio.ensure_future(work)
    while not doing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(doing)
    return await doing


def is_cancelling() -> bool:
    """Whether a cancellation was asked for, though what was awaited ended in another way."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
