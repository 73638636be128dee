"""Sweeps folders in which nothing outlives its request: evaluations, pickles to be converted."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from shared.contracts.folders import TEMPORARY_FOLDERS
from shared.db.repositories.objects import owned_keys
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore

_AT_ONCE = 500


async def sweep_passing(
    sessions: Sessions, objects: ObjectStore, age: timedelta, counts: Counter[str]
) -> None:
    """Remove what has lain there for long; what clients once saved there has owners, and stays.

    Args:
        sessions: the records.
        objects: what is swept.
        age: of what is left behind at the least.
        counts: takes `passing_swept`.
    """
    before = datetime.now(UTC) - age
    for folder in sorted(TEMPORARY_FOLDERS):
        found = await objects.list(f"{folder}/")
        old = [each.key for each in found if each.last_modified < before]
        if not old:
            continue
        async with sessions() as session:
            owned = await owned_keys(session, f"{folder}/")
        for key in [key for key in old if key not in owned][:_AT_ONCE]:
            await objects.delete(key)
            counts["passing_swept"] += 1
