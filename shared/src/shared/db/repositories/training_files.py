"""Owner rows of a training's files, some of which are rewritten while it runs."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.attempts import StoredFile
from shared.contracts.folders import TRAININGS_FOLDER
from shared.contracts.owners import Owner
from shared.db.models.tables import StoredObject

_REWRITTEN = ("size_bytes", "sha256", "content_type")


async def write_training_files(
    session: AsyncSession, owner: Owner, training_id: UUID, files: Sequence[StoredFile]
) -> bool:
    """Write the owner rows of a training's files, or what has changed in them.

    Files outside the training's folder, and rows of others, are left as they are. The caller holds
    the lock on the training's row.

    Returns:
        True if one of the files had no row yet.
    """
    folder = f"{TRAININGS_FOLDER}/{training_id}/"
    # The last report of a key is the newest.
    latest = {file.key: file for file in files if file.key.startswith(folder)}
    if not latest:
        return False
    known = set(await session.scalars(select(StoredObject.key).where(StoredObject.key.in_(latest))))
    columns = owner.model_dump() | {"task_id": training_id}
    rows = insert(StoredObject).values([file.model_dump() | columns for file in latest.values()])
    await session.execute(
        rows.on_conflict_do_update(
            index_elements=[StoredObject.key],
            set_={name: rows.excluded[name] for name in _REWRITTEN},
            where=StoredObject.task_id == training_id,
        )
    )
    return not latest.keys() <= known
