"""All sweeps of one pass, one after the other; a failing sweep does not block the next."""

from collections import Counter
from datetime import timedelta

import structlog

from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore
from workflows.activities.leftovers import LeftoverSweep
from workflows.activities.loose_objects import LooseSweep
from workflows.activities.missing_objects import MissingObjects
from workflows.activities.temporary_objects import sweep_temporary

_log = structlog.stdlib.get_logger(__name__)


class Sweeps:
    """Removal of unowned objects, and marking of rows whose object is missing.

    Args:
        sessions: the records.
        objects: the object store.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects
        self._leftovers = LeftoverSweep(sessions, objects)
        self._loose = LooseSweep(sessions, objects)
        self._lost = MissingObjects(sessions, objects)

    async def sweep(self, age: timedelta, counts: Counter[str]) -> None:
        """Make one pass.

        Args:
            age: minimum age of a removed object without an owner.
            counts: the counters of `Reconciled`; `failed` counts what the next pass retries.
        """
        for work in (
            self._leftovers.sweep(counts),
            self._loose.sweep(age, counts),
            sweep_temporary(self._sessions, self._objects, age, counts),
            self._lost.check(counts),
        ):
            try:
                await work
            except Exception:  # noqa: BLE001 — logged, and retried by the next pass
                _log.exception("sweep_failed")
                counts["failed"] += 1
