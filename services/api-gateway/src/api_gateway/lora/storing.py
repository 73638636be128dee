"""Storage of checked files: the bytes once per digest, a row per name, both or neither."""

import uuid
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Problem
from api_gateway.lora.admission import AdmittedLora
from api_gateway.lora.upload import LoraForm
from api_gateway.resources import Resources
from api_gateway.uploads import note
from shared.contracts.folders import LORAS_FOLDER
from shared.db.models.loras import Lora
from shared.db.repositories.loose_objects import forget_loose
from shared.db.repositories.loras import free_filename, has_digest, lock_digest

_CONTENT_TYPE = "application/octet-stream"


def object_key(sha256: str) -> str:
    """Return the key of the object with a digest."""
    return f"{LORAS_FOLDER}/sha256/{sha256}"


async def put_once(res: Resources, admitted: AdmittedLora) -> None:
    """Write the bytes, unless they are stored already."""
    key = object_key(admitted.sha256)
    await note(res, [key])
    found = await res.objects.head(key)
    if found is None or found.size_bytes != admitted.size_bytes:
        await res.objects.put_file(key, admitted.path, _CONTENT_TYPE)


async def add_row(
    session: AsyncSession, caller: Principal, wanted: LoraForm, admitted: AdmittedLora
) -> Lora:
    """Write the row under the first free name.

    Raises:
        Problem: 409, the name is taken and must not be versioned.
    """
    filename = await free_filename(
        session, wanted.folder, wanted.stem, is_versioned=wanted.is_versioned
    )
    if filename is None:
        raise Problem(
            409,
            "duplicate_filename",
            f"file: {wanted.folder} has a {wanted.stem}.safetensors already; choose another "
            "name, or send use_safe_filename=true to have it versioned",
        )
    now, summary = datetime.now(UTC), admitted.summary
    lora = Lora(
        id=uuid.uuid4(),
        folder=wanted.folder,
        filename=filename,
        original_filename=wanted.file.filename,
        sha256=admitted.sha256,
        size_bytes=admitted.size_bytes,
        rank=summary.rank,
        base_model=summary.base_model,
        target_modules=summary.target_modules,
        file_metadata=summary.metadata,
        origin_instance=caller.scope.origin_instance,
        origin_tenant_id=caller.scope.origin_tenant_id,
        created_at=now,
        updated_at=now,
    )
    session.add(lora)
    await session.flush()
    await forget_loose(session, [object_key(admitted.sha256)])
    return lora


async def is_stored(res: Resources, session: AsyncSession, admitted: AdmittedLora) -> bool:
    """Return whether the bytes are stored, and lock them until the transaction ends."""
    await lock_digest(session, admitted.sha256)
    return await res.objects.head(object_key(admitted.sha256)) is not None


async def remove_unless_referenced(res: Resources, admitted: AdmittedLora) -> None:
    """Remove the bytes of a failed request, unless a row refers to them."""
    async with res.sessions.begin() as session:
        await lock_digest(session, admitted.sha256)
        if not await has_digest(session, admitted.sha256):
            await res.objects.delete(object_key(admitted.sha256))
            await forget_loose(session, [object_key(admitted.sha256)])
