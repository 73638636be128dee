"""Owner rows of stored objects: list by prefix, claim a path, replace the content."""

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
    """Outcomes of claiming a path."""

    NEW = "new"
    REPLACED = "replaced"
    TAKEN = "taken"


COUNTED_AT_MOST = 10_000
"""Upper bound on the count of objects under a prefix."""


async def list_objects(
    session: AsyncSession, scope: Scope, prefix: str, limit: int, *, after: str | None = None
) -> Sequence[StoredObject]:
    """Return readable objects under a prefix in key order, optionally only those after a key."""
    rows = _readable(select(StoredObject), scope, prefix)
    if after is not None:
        rows = rows.where(StoredObject.key > after)
    return (await session.scalars(rows.order_by(StoredObject.key).limit(limit))).all()


async def count_objects(session: AsyncSession, scope: Scope, prefix: str) -> int | None:
    """Return the number of readable objects under a prefix; none if it exceeds the upper bound."""
    # In key order, so that an index is scanned only as far as needed.
    some = _readable(select(StoredObject.key), scope, prefix).order_by(StoredObject.key)
    counted = select(func.count()).select_from(some.limit(COUNTED_AT_MOST + 1).subquery())
    amount = await session.scalar(counted) or 0
    return amount if amount <= COUNTED_AT_MOST else None


def _readable(rows: _RowsT, scope: Scope, prefix: str) -> _RowsT:
    rows = scope.limit(rows, StoredObject)
    return rows.where(_starts_with(prefix), StoredObject.lost_at.is_(None))


async def owned_keys(session: AsyncSession, prefix: str) -> set[str]:
    """Return the paths under a prefix that have an owner row, of any owner."""
    return set(await session.scalars(select(StoredObject.key).where(_starts_with(prefix))))


def _starts_with(prefix: str) -> ColumnElement[bool]:
    """Return the condition of a prefix as a range in byte order, which the indexes support."""
    end = end_of_prefix(prefix)
    is_behind = StoredObject.key >= prefix
    return is_behind if end is None else is_behind & (StoredObject.key < end)


def end_of_prefix(prefix: str) -> str | None:
    """Return the least text greater than all texts with a prefix; none if there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[index]) + 1
        if 0xD800 <= following <= 0xDFFF:
            following = 0xE000  # surrogates are not characters
        if following <= 0x10FFFF:
            return prefix[:index] + chr(following)
    return None


async def claim_object(
    session: AsyncSession, scope: Scope, row: StoredObject
) -> tuple[KeyClaim, StoredObject]:
    """Claim a path for the client, or lock the client's existing row.

    A concurrent request for the same path waits here until the first one has ended.

    Returns:
        The outcome, and the row, locked until the transaction ends. A replaced row keeps its owner.
        For TAKEN it is the row passed in, not that of the other owner.
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
    """Lock the row of an object within a scope until the transaction ends, and return it."""
    rows = select(StoredObject).where(StoredObject.key == key)
    return await session.scalar(scope.limit(rows, StoredObject).with_for_update())


def replace_content(held: StoredObject, by: StoredObject) -> str:
    """Update a row to new content under the same path.

    Returns:
        The object key of the previous content.
    """
    before = held.content_key
    if held.sha256 != by.sha256:
        held.created_at = func.now()
    held.size_bytes, held.content_type, held.sha256 = by.size_bytes, by.content_type, by.sha256
    held.object_key, held.lost_at = by.object_key, None
    return before
