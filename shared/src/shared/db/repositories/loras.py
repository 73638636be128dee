"""LoRA files by name: find, list, choose a free name, move to the bin."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.models.loras import Lora
from shared.db.repositories.scope import Scope
from shared.lora.errors import LoraNameError
from shared.lora.names import LoraFolder, split_path, versioned
from shared.settings import DEFAULT_LORA_ROOT


@dataclass(frozen=True)
class LoraFilters:
    """Filters of a list of LoRAs."""

    folder: LoraFolder | None = None


async def find_lora(
    session: AsyncSession, scope: Scope, partial_path: str, *, root: str = DEFAULT_LORA_ROOT
) -> Lora | None:
    """Return the LoRA of a path; none if it does not exist or the client may not see it.

    Args:
        session: for reading.
        scope: the rows that the client may see.
        partial_path: `folder/name.safetensors`, optionally after the root.
        root: prefix of full paths.
    """
    try:
        folder, filename = split_path(partial_path, root)
    except LoraNameError:
        return None
    rows = select(Lora).where(
        Lora.folder == folder, Lora.filename == filename, Lora.deleted_at.is_(None)
    )
    return await session.scalar(scope.limit(rows, Lora))


async def find_lora_by_digest(session: AsyncSession, scope: Scope, sha256: str) -> Lora | None:
    """Return a LoRA with this SHA-256 that the client may see, except in the bin; or none."""
    rows = select(Lora).where(Lora.sha256 == sha256, Lora.deleted_at.is_(None)).limit(1)
    return await session.scalar(scope.limit(rows, Lora))


async def list_loras(
    session: AsyncSession, scope: Scope, filters: LoraFilters, *, skip: int, limit: int
) -> tuple[list[Lora], int]:
    """Return one page of LoRAs, newest first, and their total number."""
    rows = scope.limit(select(Lora).where(Lora.deleted_at.is_(None)), Lora)
    if filters.folder is not None:
        rows = rows.where(Lora.folder == filters.folder)
    total = await session.scalar(select(func.count()).select_from(rows.subquery()))
    newest = rows.order_by(Lora.created_at.desc(), Lora.id.desc())
    page = await session.scalars(newest.offset(skip).limit(limit))
    return list(page), total or 0


async def lock_digest(session: AsyncSession, sha256: str) -> None:
    """Take the lock on a digest until the transaction ends: for adding or removing its rows."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(sha256, 0))))


async def has_digest(session: AsyncSession, sha256: str) -> bool:
    """Return true if a LoRA, in the bin or not, has this digest."""
    return await session.scalar(select(Lora.id).where(Lora.sha256 == sha256).limit(1)) is not None


async def free_filename(
    session: AsyncSession, folder: LoraFolder, stem: str, *, is_versioned: bool
) -> str | None:
    """Return a file name that is free in the folder, ignoring case.

    The folder is locked until the transaction ends, so that the name stays free.

    Returns:
        None if the name is taken and may not be versioned.
    """
    lock = func.hashtextextended(f"lora-folder:{folder}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(lock)))
    lowered = func.lower(Lora.filename)
    taken = set(
        await session.scalars(
            select(lowered).where(
                Lora.folder == folder,
                Lora.deleted_at.is_(None),
                lowered.startswith(stem.lower(), autoescape=True),
            )
        )
    )
    version = 1
    while (name := versioned(stem, version)).lower() in taken:
        if not is_versioned:
            return None
        version += 1
    return name


async def move_to_bin(session: AsyncSession, lora: Lora) -> datetime | None:
    """Hide a LoRA from lists and tasks; its file is kept.

    Returns:
        The time of deletion; none if another request was first.
    """
    now = datetime.now(UTC)
    moved = await session.scalar(
        update(Lora)
        .where(Lora.id == lora.id, Lora.deleted_at.is_(None))
        .values(deleted_at=now)
        .returning(Lora.id)
    )
    return now if moved else None
