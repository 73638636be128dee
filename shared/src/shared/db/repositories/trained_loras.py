"""Registration of trained LoRAs in the LoRA store."""

import uuid

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.folders import LORAS_FOLDER
from shared.contracts.owners import Owner
from shared.contracts.training import TrainedLora
from shared.db.models.loras import Lora
from shared.db.repositories.loose_objects import forget_loose
from shared.db.repositories.loras import free_filename, lock_digest
from shared.lora.names import STORED_SUFFIX, LoraFolder

_BASE_MODEL_CHARS = 100


async def register_lora(
    session: AsyncSession, training_id: uuid.UUID, owner: Owner, folder: str, trained: TrainedLora
) -> str:
    """Write the row of a training's LoRA under the first free name, once.

    Args:
        session: transaction of the training's outcome.
        training_id: the training.
        owner: the training's owner, who alone sees the LoRA.
        folder: folder of the LoRA store.
        trained: the LoRA, stored under its digest.

    Returns:
        The path of the LoRA in the store: `folder/name.safetensors`.
    """
    await lock_digest(session, trained.sha256)
    lora = await session.scalar(select(Lora).where(Lora.training_id == training_id).limit(1))
    if lora is None:
        lora = await _add(session, training_id, owner, LoraFolder(folder), trained)
    return f"{lora.folder}/{lora.filename}"


async def _add(
    session: AsyncSession,
    training_id: uuid.UUID,
    owner: Owner,
    folder: LoraFolder,
    trained: TrainedLora,
) -> Lora:
    filename = await free_filename(session, folder, trained.stem, is_versioned=True)
    assert filename is not None  # a versioned name is always found
    lora = Lora(
        id=uuid.uuid4(),
        folder=folder,
        filename=filename,
        original_filename=f"{trained.stem}{STORED_SUFFIX}",
        sha256=trained.sha256,
        size_bytes=trained.size_bytes,
        rank=trained.rank,
        base_model=trained.base_model and trained.base_model[:_BASE_MODEL_CHARS],
        target_modules=trained.target_modules,
        file_metadata=trained.file_metadata,
        training_id=training_id,
        **owner.model_dump(),
    )
    session.add(lora)
    # The bytes may also be those of an upload that was noted as loose and is not completed.
    await forget_loose(session, [f"{LORAS_FOLDER}/sha256/{trained.sha256}"])
    return lora
