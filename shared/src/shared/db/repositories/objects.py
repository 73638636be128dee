"""Owner rows of stored objects: listing by prefix, claiming a key, and whether it is in use."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.enums import TASK_OPEN, WORKFLOW_ENDED
from shared.db.models.tables import StoredObject, Task, Workflow
from shared.db.repositories.scope import Scope

_MENTIONS: ColumnElement[Any] = literal_column("'$.** ? (@ == $key)'::jsonpath")


class Claim(StrEnum):
    """What became of an attempt to own a key."""

    NEW = "new"
    REPLACED = "replaced"
    TAKEN = "taken"


async def list_objects(
    session: AsyncSession, scope: Scope, prefix: str, limit: int
) -> Sequence[StoredObject]:
    """The first objects under a prefix, in key order."""
    rows = scope.limit(select(StoredObject), StoredObject).where(_starts_with(prefix))
    return (await session.scalars(rows.order_by(StoredObject.key).limit(limit))).all()


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
) -> tuple[Claim, StoredObject]:
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
        return Claim.NEW, claimed
    held = await hold_object(session, scope, row.key)
    return (Claim.TAKEN, row) if held is None else (Claim.REPLACED, held)


async def hold_object(session: AsyncSession, scope: Scope, key: str) -> StoredObject | None:
    """The row of an object within a scope, locked until the transaction ends."""
    rows = select(StoredObject).where(StoredObject.key == key)
    return await session.scalar(scope.limit(rows, StoredObject).with_for_update())


def replace_content(held: StoredObject, by: StoredObject) -> None:
    """Let a row describe other bytes under the same key."""
    held.size_bytes, held.content_type, held.sha256 = by.size_bytes, by.content_type, by.sha256
    held.created_at = func.now()


async def is_in_use(session: AsyncSession, held: StoredObject) -> bool:
    """Whether work that has not ended may still read an object.

    That is: its own task or that task's workflow, or a task that names it as an input.
    """
    own = select(literal(1)).where(
        Task.id == held.task_id,
        Task.status.in_(TASK_OPEN)
        | select(Workflow.id)
        .where(Workflow.id == Task.workflow_id, Workflow.status.not_in(WORKFLOW_ENDED))
        .exists(),
    )
    # A task can only name an object that was there before it.
    naming = select(literal(1)).where(
        Task.status.in_(TASK_OPEN),
        Task.created_at >= held.created_at,
        func.jsonb_path_exists(Task.inputs, _MENTIONS, func.jsonb_build_object("key", held.key)),
    )
    return bool(await session.scalar(select(own.exists() | naming.exists())))
