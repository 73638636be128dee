"""Notes of objects that may have no owner: added, removed, and processed by the sweep."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.folders import LORAS_FOLDER
from shared.db.models.loose_objects import LooseObject
from shared.db.models.tables import StoredObject
from shared.db.repositories.loras import has_digest, lock_digest


async def note_loose(session: AsyncSession, keys: Collection[str]) -> None:
    """Note objects that are about to be written, or whose owner this transaction removes."""
    if not keys:
        return
    notes = insert(LooseObject).values([{"key": key} for key in sorted(keys)])
    await session.execute(
        notes.on_conflict_do_update(index_elements=[LooseObject.key], set_={"noted_at": func.now()})
    )


async def forget_loose(session: AsyncSession, keys: Collection[str]) -> bool:
    """Remove the notes of objects that this transaction gives an owner, or that were deleted.

    Returns:
        True if all of them were noted. A note is missing if the sweep took it meanwhile.
    """
    if not keys:
        return True
    gone = delete(LooseObject).where(LooseObject.key.in_(keys)).returning(LooseObject.key)
    return len(list(await session.scalars(gone))) == len(set(keys))


async def loose_for(session: AsyncSession, age: timedelta, limit: int) -> Sequence[str]:
    """Return the keys noted at least this long ago, oldest first."""
    rows = select(LooseObject.key).where(LooseObject.noted_at < func.now() - age)
    return list(await session.scalars(rows.order_by(LooseObject.noted_at).limit(limit)))


async def lock_loose(session: AsyncSession, key: str, age: timedelta) -> LooseObject | None:
    """Lock a note and return it; none if it is gone, was renewed or is locked."""
    if digest := _lora_digest(key):
        # Before the row lock: the same order as in LoRA uploads.
        await lock_digest(session, digest)
    rows = select(LooseObject).where(
        LooseObject.key == key, LooseObject.noted_at < func.now() - age
    )
    return await session.scalar(rows.with_for_update(skip_locked=True))


async def postpone_loose(session: AsyncSession, key: str) -> None:
    """Move a note to the end of the queue."""
    await session.execute(
        update(LooseObject).where(LooseObject.key == key).values(noted_at=func.now())
    )


async def has_owner(session: AsyncSession, key: str) -> bool:
    """Return true if an object has an owner."""
    if digest := _lora_digest(key):
        return await has_digest(session, digest)
    by_path = (StoredObject.key == key) & StoredObject.object_key.is_(None)
    rows = select(StoredObject.key).where(by_path | (StoredObject.object_key == key))
    return await session.scalar(rows.limit(1)) is not None


def _lora_digest(key: str) -> str:
    """Return the digest in a LoRA's object key; empty for other objects."""
    return key.rpartition("/")[2] if key.startswith(f"{LORAS_FOLDER}/") else ""
