"""A function on a thread of an executor, as a coroutine waits for it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from shared.cancellation import CancelFlag

_T = TypeVar("_T")


async def run_in_thread(executor: Executor, work: Callable[[CancelFlag], _T]) -> _T:
    """What a function answers, from one of an executor's threads.

    Cancelling sets the function's flag and waits until it has returned, before
    `asyncio.CancelledError` is raised: nothing computes for a caller that has gone, nor beside the
    next one. A function that has not begun never begins.

    Args:
        executor: its threads.
        work: looks at its flag wherever it can stop, and raises then.
    """
    cancel = threading.Event()
    submitted = executor.submit(work, cancel)
    running = asyncio.wrap_future(submitted)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancel.set()
        submitted.cancel()
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # seen, so that asyncio does not report it as lost
        raise
