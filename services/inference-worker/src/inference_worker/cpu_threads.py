"""The threads that do everything but the model's work, as coroutines see them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

_T = TypeVar("_T")


class CpuThreads:
    """Runs what would block the event loop: decoding, resizing, judging, encoding.

    Args:
        executor: its threads.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, work: Callable[[], _T]) -> _T:
        """What a function answers, from one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


async def gather(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results in order; the first failure stops the rest, waits for them and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
