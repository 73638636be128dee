"""Everything that is swept in one pass, one kind after the other; none keeps the next from it."""

from collections import Counter
from datetime import timedelta

import structlog

from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore
from workflows.activities.leftovers import LeftoverSweep
from workflows.activities.loose_objects import LooseSweep
from workflows.activities.lost_pictures import LostPictures
from workflows.activities.passing_objects import sweep_passing

_log = structlog.stdlib.get_logger(__name__)


class Sweeps:
    """Removes objects that no record names, and marks rows whose object is gone.

    Args:
        sessions: the records.
        objects: what is swept.
    """

    def __init__(self, sessions: Sessions, objects: ObjectStore) -> None:
        self._sessions = sessions
        self._objects = objects
        self._leftovers = LeftoverSweep(sessions, objects)
        self._loose = LooseSweep(sessions, objects)
        self._lost = LostPictures(sessions, objects)

    async def sweep(self, age: timedelta, counts: Counter[str]) -> None:
        """Make one pass.

        Args:
            age: what nobody owns is swept from this age on.
            counts: takes the figures of `Reconciled`; `failed`: what the next pass tries again.
        """
        for work in (
            self._leftovers.sweep(counts),
            self._loose.sweep(age, counts),
            sweep_passing(self._sessions, self._objects, age, counts),
            self._lost.look(counts),
        ):
            try:
                await work
            except Exception:  # noqa: BLE001 — logged, and tried again by the next pass
                _log.exception("sweep_failed")
                counts["failed"] += 1
