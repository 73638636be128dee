"""Reads tasks by id; requests that come at the same time share one read."""

import asyncio
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.repositories.tasks import TaskRow, read_tasks

_MOST_AT_ONCE = 100


class TaskLoader:
    """Clients poll: under load most of the work of a read is not the row, but the asking.

    One read is under way at a time, and takes all that was asked for before it began. Who asks
    later waits for the next one, so that nobody is answered from before they asked.

    Args:
        reads: connections for single statements.
    """

    def __init__(self, reads: AsyncEngine) -> None:
        self._reads = reads
        self._asked: dict[UUID, asyncio.Future[TaskRow | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def load(self, task_id: UUID) -> TaskRow | None:
        """A task, whoever it belongs to."""
        future = self._asked.get(task_id)
        if future is None:
            future = self._asked[task_id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        # Shielded: a client that hangs up takes the answer from nobody else.
        return await asyncio.shield(future)

    async def _read(self) -> None:
        try:
            while self._asked:
                await self._answer({key: self._asked.pop(key) for key in self._next()})
        finally:
            self._reading = None

    def _next(self) -> list[UUID]:
        return list(self._asked)[:_MOST_AT_ONCE]

    async def _answer(self, asked: dict[UUID, asyncio.Future[TaskRow | None]]) -> None:
        try:
            async with self._reads.connect() as connection:
                found = await read_tasks(connection, asked)
        except Exception as error:  # noqa: BLE001 — it is raised where it is awaited
            for future in asked.values():
                future.set_exception(error)
            return
        for task_id, future in asked.items():
            future.set_result(found.get(task_id))
