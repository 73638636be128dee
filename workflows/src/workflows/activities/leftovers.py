"""Sweeps what completed tasks have left in the object store and no record names."""

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
"""A worker that lost its heartbeat, and went on writing, has ended by then."""
_TO_AGE = timedelta(minutes=40)
"""Far enough back that a restart or a store that is away for a while leaves nothing behind."""
_TASKS = 10_000
"""Tasks of that time which are looked at and remembered; the oldest, so that each has its turn."""
_PASS_S = 30.0
"""After so long the rest is left to the next pass: rows and runs wait for this one."""
_SIDE_BY_SIDE = 5


class LeftoverSweep:
    """Deletes lost attempts and finished tiles of tasks that are COMPLETED, a while after it.

    Whatever has an owner row stays, and so do a task's inputs. Tasks that FAILED or were CANCELLED
    keep everything until they are cleaned up or deleted.

    Args:
        sessions: the records.
        objects: what is swept.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects
        self._swept: set[UUID] = set()

    async def sweep(self, counts: Counter[str]) -> None:
        """Sweep each task that is due, once; one that fails is tried again by the next pass.

        Args:
            counts: takes `objects_swept`, and `failed` tasks.
        """
        now = datetime.now(UTC)
        async with self._sessions() as session:
            due = await tasks_with_leftovers(session, now - _TO_AGE, now - _FROM_AGE, _TASKS)
        self._swept &= due.keys()
        rest = [task_id for task_id in due if task_id not in self._swept]
        ends_at = time.monotonic() + _PASS_S
        for first in range(0, len(rest), _SIDE_BY_SIDE):
            if time.monotonic() > ends_at:
                break
            some = rest[first : first + _SIDE_BY_SIDE]
            await asyncio.gather(
                *(self._sweep_task(task_id, due[task_id], counts) for task_id in some)
            )

    async def _sweep_task(self, task_id: UUID, task_type: TaskType, counts: Counter[str]) -> None:
        folder = f"{TASK_TYPES[task_type].task_folder(task_id)}/"
        try:
            for key in await self._unnamed(folder):
                await self._objects.delete(key)
                counts["objects_swept"] += 1
        except Exception:  # noqa: BLE001 — logged, and tried again by the next pass
            # One that cannot be swept must not keep the others from it.
            _log.exception("not_swept", subject=str(task_id))
            counts["failed"] += 1
        else:
            self._swept.add(task_id)

    async def _unnamed(self, folder: str) -> list[str]:
        # Objects before rows: what a record names has its row when it is looked for.
        stored = [found.key for found in await self._objects.list(folder)]
        async with self._sessions() as session:
            owned = await owned_keys(session, folder)
        return [
            key for key in stored if key not in owned and not key.startswith(f"{folder}inputs/")
        ]
