"""Notes of objects that may be nobody's: made, taken back, and settled by the sweep."""

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
    """Note objects that are about to be written, or that this transaction lets go of."""
    if not keys:
        return
    notes = insert(LooseObject).values([{"key": key} for key in sorted(keys)])
    await session.execute(
        notes.on_conflict_do_update(index_elements=[LooseObject.key], set_={"noted_at": func.now()})
    )


async def forget_loose(session: AsyncSession, keys: Collection[str]) -> bool:
    """Remove the notes of objects that this transaction gives an owner, or that are gone.

    Returns:
        Whether all of them were noted: what is no longer, the sweep has taken for abandoned.
    """
    if not keys:
        return True
    gone = delete(LooseObject).where(LooseObject.key.in_(keys)).returning(LooseObject.key)
    return len(list(await session.scalars(gone))) == len(set(keys))


async def loose_for(session: AsyncSession, age: timedelta, limit: int) -> Sequence[str]:
    """The keys that were noted longest ago, of those that were so long ago."""
    rows = select(LooseObject.key).where(LooseObject.noted_at < func.now() - age)
    return list(await session.scalars(rows.order_by(LooseObject.noted_at).limit(limit)))


async def lock_loose(session: AsyncSession, key: str, age: timedelta) -> LooseObject | None:
    """A note, locked until the transaction ends; none where it is gone, renewed or held."""
    if digest := _lora_digest(key):
        # First, as whoever keeps a LoRA has it.
        await lock_digest(session, digest)
    rows = select(LooseObject).where(
        LooseObject.key == key, LooseObject.noted_at < func.now() - age
    )
    return await session.scalar(rows.with_for_update(skip_locked=True))


async def postpone_loose(session: AsyncSession, key: str) -> None:
    """Let a note have its next turn after the others."""
    await session.execute(
        update(LooseObject).where(LooseObject.key == key).values(noted_at=func.now())
    )


async def has_owner(session: AsyncSession, key: str) -> bool:
    """Return whether a record says that an object is somebody's."""
    if digest := _lora_digest(key):
        return await has_digest(session, digest)
    by_path = (StoredObject.key == key) & StoredObject.object_key.is_(None)
    rows = select(StoredObject.key).where(by_path | (StoredObject.object_key == key))
    return await session.scalar(rows.limit(1)) is not None


def _lora_digest(key: str) -> str:
    """The digest that a LoRA's key ends in; empty for other objects."""
    return key.rpartition("/")[2] if key.startswith(f"{LORAS_FOLDER}/") else ""
