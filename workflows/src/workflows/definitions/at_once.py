"""Calls that run concurrently within a workflow, a limited number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_R = TypeVar("_R")


async def call_at_once(calls: Sequence[Callable[[], Awaitable[_R]]], limit: int) -> list[_R]:
    """Call functions concurrently, in their order, and return their results in the same order.

    If one fails or the run is cancelled, the others are cancelled, and have ended at the return.

    Args:
        calls: the functions.
        limit: how many run at a time.
    """
    results: dict[int, _R] = {}
    waiting = list(enumerate(calls))[::-1]

    async def work() -> None:
        while waiting:
            index, call = waiting.pop()
            results[index] = await call()

    workers = [asyncio.create_task(work()) for _ in range(min(limit, len(calls)))]
    try:
        await asyncio.gather(*workers)
    except (Exception, asyncio.CancelledError):
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        raise
    return [results[index] for index in range(len(calls))]
