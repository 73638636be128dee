"""Functions on an executor's threads, awaited by coroutines, with cancellation."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from shared.cancellation import CancelFlag

_T = TypeVar("_T")


async def run_in_thread(executor: Executor, work: Callable[[CancelFlag], _T]) -> _T:
    """Run a function on a thread and return its result.

    Cancelling sets the function's flag and waits until it has returned, before
    `asyncio.CancelledError` is raised: no work goes on for a cancelled attempt, or beside the next
    one. A function that has not begun never begins.

    Args:
        executor: provides the thread.
        work: checks its flag wherever it can stop, and then raises.
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
            running.exception()  # retrieved, so that asyncio does not report it as lost
        raise
