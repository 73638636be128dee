"""The threads that do everything but the model's work, as coroutines see them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

from inference_worker.engine.in_thread import run_in_thread
from shared.cancellation import CancelFlag

_T = TypeVar("_T")


class CpuThreads:
    """Runs what would block the event loop: decoding, resizing, judging, encoding.

    A cancelled caller waits until its function has returned, so that an attempt that is over holds
    neither a thread nor memory; one that waits for a thread is dropped at once.

    Args:
        executor: its threads.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, work: Callable[[], _T]) -> _T:
        """What a function answers, from one of the threads."""
        return await self.run_stoppable(lambda _cancel: work())

    async def run_stoppable(self, work: Callable[[CancelFlag], _T]) -> _T:
        """The same of a function that takes seconds, and looks at a flag between its parts."""
        return await run_in_thread(self._executor, work)


async def gather(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results in order; the first failure stops the rest, waits for them and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
