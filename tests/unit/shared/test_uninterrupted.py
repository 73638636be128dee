"""`uninterrupted` finishes its work despite cancellations."""

import asyncio

import pytest

from shared.uninterrupted import uninterrupted


async def test_work_finishes_despite_repeated_cancellation() -> None:
    may_end = asyncio.Event()

    async def work() -> str:
        await may_end.wait()
        return "done"

    task = asyncio.create_task(uninterrupted(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    may_end.set()
    assert await task == "done"


async def test_exception_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await uninterrupted(work())
