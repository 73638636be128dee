"""Work that a cancellation does not break off half-way: a paid call, a withdrawal."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


async def uninterrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work to its end, whatever cancels us meanwhile; the work bounds its own time.

    A cancellation that comes in between is swallowed: the caller has a result that must be told.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((task,))
    return task.result()
