"""Owner rows of stored objects: listing by prefix, claiming a key."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.tables import StoredObject
from shared.db.repositories.scope import Scope

_RowsT = TypeVar("_RowsT", bound=Select[Any])


class KeyClaim(StrEnum):
    """What became of an attempt to own a key."""

    NEW = "new"
    REPLACED = "replaced"
    TAKEN = "taken"


COUNTED_AT_MOST = 10_000
"""Of the objects under a prefix, so many are counted."""


async def list_objects(
    session: AsyncSession, scope: Scope, prefix: str, limit: int, *, after: str | None = None
) -> Sequence[StoredObject]:
    """The first objects under a prefix, behind a key, in key order; of those that can be read."""
    rows = _readable(select(StoredObject), scope, prefix)
    if after is not None:
        rows = rows.where(StoredObject.key > after)
    return (await session.scalars(rows.order_by(StoredObject.key).limit(limit))).all()


async def count_objects(session: AsyncSession, scope: Scope, prefix: str) -> int | None:
    """How many objects under a prefix can be read; none where they are more than are counted."""
    # In key order, so that an index is read and left after as many.
    some = _readable(select(StoredObject.key), scope, prefix).order_by(StoredObject.key)
    counted = select(func.count()).select_from(some.limit(COUNTED_AT_MOST + 1).subquery())
    amount = await session.scalar(counted) or 0
    return amount if amount <= COUNTED_AT_MOST else None


def _readable(rows: _RowsT, scope: Scope, prefix: str) -> _RowsT:
    rows = scope.limit(rows, StoredObject)
    return rows.where(_starts_with(prefix), StoredObject.lost_at.is_(None))


async def owned_keys(session: AsyncSession, prefix: str) -> set[str]:
    """The keys under a prefix that have an owner row, whoever the owner is."""
    return set(await session.scalars(select(StoredObject.key).where(_starts_with(prefix))))


def _starts_with(prefix: str) -> ColumnElement[bool]:
    """A range of keys in byte order, which the indexes serve."""
    end = end_of_prefix(prefix)
    is_behind = StoredObject.key >= prefix
    return is_behind if end is None else is_behind & (StoredObject.key < end)


def end_of_prefix(prefix: str) -> str | None:
    """The least text behind all those that start with a prefix; none where there is no such."""
    for index in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[index]) + 1
        if 0xD800 <= following <= 0xDFFF:
            following = 0xE000  # surrogates are no characters
        if following <= 0x10FFFF:
            return prefix[:index] + chr(following)
    return None


async def claim_object(
    session: AsyncSession, scope: Scope, row: StoredObject
) -> tuple[KeyClaim, StoredObject]:
    """Make a key this caller's, or take hold of the row that says that it is already.

    A request that races with another for the same key waits here until that one has ended.

    Returns:
        What became of it, and the row, held until the transaction ends. A row that is replaced
        keeps its owner; that of somebody else is not shown.
    """
    columns = StoredObject.__table__.columns.keys()
    values = {name: getattr(row, name) for name in columns if getattr(row, name) is not None}
    claimed = await session.scalar(
        insert(StoredObject).values(values).on_conflict_do_nothing().returning(StoredObject)
    )
    if claimed is not None:
        return KeyClaim.NEW, claimed
    held = await lock_object(session, scope, row.key)
    return (KeyClaim.TAKEN, row) if held is None else (KeyClaim.REPLACED, held)


async def lock_object(session: AsyncSession, scope: Scope, key: str) -> StoredObject | None:
    """The row of an object within a scope, locked until the transaction ends."""
    rows = select(StoredObject).where(StoredObject.key == key)
    return await session.scalar(scope.limit(rows, StoredObject).with_for_update())


def replace_content(held: StoredObject, by: StoredObject) -> str:
    """Let a row describe other bytes, under the same path.

    Returns:
        The key of the object that had the bytes until now.
    """
    before = held.content_key
    if held.sha256 != by.sha256:
        held.created_at = func.now()
    held.size_bytes, held.content_type, held.sha256 = by.size_bytes, by.content_type, by.sha256
    held.object_key, held.lost_at = by.object_key, None
    return before
