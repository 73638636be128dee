"""Removal of temporary objects: pictures to evaluate, pickles to convert."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from shared.contracts.folders import TEMPORARY_FOLDERS
from shared.db.repositories.objects import owned_keys
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore

_BATCH_SIZE = 500


async def sweep_temporary(
    sessions: Sessions, objects: ObjectStore, age: timedelta, counts: Counter[str]
) -> None:
    """Remove old objects without an owner from the temporary folders.

    Args:
        sessions: the records.
        objects: the object store.
        age: minimum age of a removed object.
        counts: `passing_swept` is added to it.
    """
    before = datetime.now(UTC) - age
    for folder in sorted(TEMPORARY_FOLDERS):
        found = await objects.list(f"{folder}/")
        old = [each.key for each in found if each.last_modified < before]
        if not old:
            continue
        async with sessions() as session:
            owned = await owned_keys(session, f"{folder}/")
        for key in [key for key in old if key not in owned][:_BATCH_SIZE]:
            await objects.delete(key)
            counts["passing_swept"] += 1
