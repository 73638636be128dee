"""Removal of objects that completed tasks left behind and no record names."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.repositories.objects import owned_keys
from shared.db.repositories.tasks import tasks_with_leftovers
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)

_FROM_AGE = timedelta(minutes=10)
"""Age by which a worker that lost its heartbeat but went on writing has ended."""
_TO_AGE = timedelta(minutes=40)
"""Age up to which tasks are swept: longer than a restart or a short outage of the store."""
_TASKS = 10_000
"""Maximum number of tasks of that age per pass and in memory, oldest first."""
_PASS_TIMEOUT_S = 30.0
"""Time limit of one pass; the next pass does the rest, since reconciliation waits for this one."""
_CONCURRENCY = 5


class LeftoverSweep:
    """Removal of objects that are of no more use, 10 minutes after completion.

    Those are the objects of lost attempts, finished tiles, and the marks of paid submissions.

    Objects with an owner row and the inputs of a task are kept. Tasks that are FAILED or CANCELLED
    keep all their objects until they are cleaned up or deleted.

    Args:
        sessions: the records.
        objects: the object store.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects
        self._swept: set[UUID] = set()

    async def sweep(self, counts: Counter[str]) -> None:
        """Sweep each due task once; the next pass retries failed ones.

        Args:
            counts: `objects_swept` and `failed` tasks are added to it.
        """
        now = datetime.now(UTC)
        async with self._sessions() as session:
            due = await tasks_with_leftovers(session, now - _TO_AGE, now - _FROM_AGE, _TASKS)
        self._swept &= due.keys()
        rest = [task_id for task_id in due if task_id not in self._swept]
        ends_at = time.monotonic() + _PASS_TIMEOUT_S
        for first in range(0, len(rest), _CONCURRENCY):
            if time.monotonic() > ends_at:
                break
            some = rest[first : first + _CONCURRENCY]
            await asyncio.gather(
                *(self._sweep_task(task_id, due[task_id], counts) for task_id in some)
            )

    async def _sweep_task(self, task_id: UUID, task_type: TaskType, counts: Counter[str]) -> None:
        folder = f"{TASK_TYPES[task_type].task_folder(task_id)}/"
        try:
            for key in await self._unnamed(folder):
                await self._objects.delete(key)
                counts["objects_swept"] += 1
        except Exception:  # noqa: BLE001 — logged, and retried by the next pass
            # A failing task must not block the others.
            _log.exception("not_swept", subject=str(task_id))
            counts["failed"] += 1
        else:
            self._swept.add(task_id)

    async def _unnamed(self, folder: str) -> list[str]:
        # Objects before rows: an object that a record names already has its row then.
        stored = [found.key for found in await self._objects.list(folder)]
        async with self._sessions() as session:
            owned = await owned_keys(session, folder)
        return [
            key for key in stored if key not in owned and not key.startswith(f"{folder}inputs/")
        ]
