"""Reads tasks by id; requests that come at the same time share one read."""

import asyncio
from collections.abc import Iterator, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.repositories.tasks import TaskRow, read_tasks

_MOST_AT_ONCE = 100
_MOST_READS = 2
"""With a single one, this process would have nothing to do while Postgres reads."""

_Waiting = list[asyncio.Future[TaskRow | None]]


class TaskLoader:
    """Clients poll: under load most of the work of a read is not the row, but the asking.

    Few reads are under way at a time, and each takes all that was asked for before it began. Who
    asks later waits for the next one, so that nobody is answered from before they asked.

    Args:
        reads: connections for single statements.
    """

    def __init__(self, reads: AsyncEngine) -> None:
        self._reads = reads
        self._asked: dict[UUID, _Waiting] = {}
        self._num_reading = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, task_id: UUID) -> TaskRow | None:
        """A task, whoever it belongs to."""
        # A future for each who asks: a client that hangs up takes the answer from nobody else.
        future: asyncio.Future[TaskRow | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(task_id, []).append(future)
        if self._num_reading < _MOST_READS:
            self._num_reading += 1
            task = asyncio.create_task(self._read())
            # The event loop alone would let go of it.
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _read(self) -> None:
        try:
            while self._asked:
                await self._answer({key: self._asked.pop(key) for key in self._next()})
        finally:
            # Here, not once the task is done: who asks in between would wait for nobody.
            self._num_reading -= 1

    def _next(self) -> list[UUID]:
        return list(self._asked)[:_MOST_AT_ONCE]

    async def _answer(self, asked: Mapping[UUID, _Waiting]) -> None:
        try:
            async with self._reads.connect() as connection:
                found = await read_tasks(connection, asked)
        except Exception as error:  # noqa: BLE001 — it is raised where it is awaited
            for _, future in _open(asked):
                future.set_exception(error)
            return
        for task_id, future in _open(asked):
            future.set_result(found.get(task_id))


def _open(asked: Mapping[UUID, _Waiting]) -> Iterator[tuple[UUID, asyncio.Future[TaskRow | None]]]:
    """Who still waits, and for what."""
    for task_id, futures in asked.items():
        for future in futures:
            if not future.done():
                yield task_id, future
