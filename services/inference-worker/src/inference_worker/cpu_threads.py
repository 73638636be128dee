"""The thread pool for everything but the model's work, as coroutines call it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

from shared.cancellation import CancelFlag
from shared.in_thread import run_in_thread

_T = TypeVar("_T")


class CpuThreads:
    """Runs work that would block the event loop: decoding, resizing, checks, encoding.

    A cancelled call waits until its function has returned, so that an attempt that has ended holds
    neither a thread nor memory; a call that still waits for a thread is dropped at once.

    Args:
        executor: provides the threads.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, work: Callable[[], _T]) -> _T:
        """Run a function on one of the threads and return its result."""
        return await self.run_stoppable(lambda _cancel: work())

    async def run_stoppable(self, work: Callable[[CancelFlag], _T]) -> _T:
        """Run a function that takes seconds, and that checks a flag between its parts."""
        return await run_in_thread(self._executor, work)


async def gather(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Return all results in order; the first failure cancels the rest, and is raised after them."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
