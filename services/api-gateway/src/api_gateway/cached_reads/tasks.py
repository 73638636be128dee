"""Loader of tasks by ID; concurrent requests share one read."""

import asyncio
from collections.abc import Iterator, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.repositories.tasks import TaskRow, read_tasks

_MOST_AT_ONCE = 100
_MOST_READS = 2
"""Concurrent reads; with only one, this process would be idle while Postgres reads."""

_Waiting = list[asyncio.Future[TaskRow | None]]


class TaskLoader:
    """Batches reads of single tasks: for polling clients, the query costs more than the row.

    Few reads run at a time, and each takes every ID requested before it began. A later request
    waits for the next read, so that no request gets a state from before it was sent.

    Args:
        reads: connections for single statements.
    """

    def __init__(self, reads: AsyncEngine) -> None:
        self._reads = reads
        self._asked: dict[UUID, _Waiting] = {}
        self._num_reading = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, task_id: UUID) -> TaskRow | None:
        """Return a task of any owner; none if there is none."""
        # A future per request: a client that disconnects cancels only its own.
        future: asyncio.Future[TaskRow | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(task_id, []).append(future)
        if self._num_reading < _MOST_READS:
            self._num_reading += 1
            task = asyncio.create_task(self._read())
            # The event loop itself keeps only a weak reference to a task.
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _read(self) -> None:
        try:
            while self._asked:
                await self._load_batch({key: self._asked.pop(key) for key in self._next()})
        finally:
            # Not in the done callback: a request that comes before it would start no read.
            self._num_reading -= 1

    def _next(self) -> list[UUID]:
        return list(self._asked)[:_MOST_AT_ONCE]

    async def _load_batch(self, asked: Mapping[UUID, _Waiting]) -> None:
        try:
            async with self._reads.connect() as connection:
                found = await read_tasks(connection, asked)
        except Exception as error:  # noqa: BLE001 — raised in each waiting request
            for _, future in _waiting_futures(asked):
                future.set_exception(error)
            return
        for task_id, future in _waiting_futures(asked):
            future.set_result(found.get(task_id))


def _waiting_futures(
    asked: Mapping[UUID, _Waiting],
) -> Iterator[tuple[UUID, asyncio.Future[TaskRow | None]]]:
    """Yield the requests that still wait, with their task IDs."""
    for task_id, futures in asked.items():
        for future in futures:
            if not future.done():
                yield task_id, future
