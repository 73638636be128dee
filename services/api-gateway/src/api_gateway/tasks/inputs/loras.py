"""The LoRAs that a task names."""

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.lora.storing import object_key
from api_gateway.resources import Resources
from shared.contracts.capabilities import LORA_FIELDS, LORA_OBJECTS
from shared.db.models.loras import Lora
from shared.db.models.tables import Task
from shared.db.repositories.loras import find_lora, find_lora_by_digest
from shared.lora.names import path_digest


async def note_loras(task: Task, res: Resources, caller: Principal) -> list[Fault]:
    """Note the object of each LoRA of a task.

    Returns:
        Faults: LoRAs that do not exist for the caller.
    """
    named = {name: task.inputs[name] for name in LORA_FIELDS if task.inputs.get(name)}
    faults: list[Fault] = []
    async with res.sessions() as session:
        for name, path in named.items():
            found = await _find(session, caller, path, root=res.lora.root)
            if found is None:
                message = f"there is no LoRA {path!r}; upload it, or list the existing ones"
                faults.append(Fault((name,), message))
            else:
                task.inputs.setdefault(LORA_OBJECTS, {})[name] = object_key(found.sha256)
    return faults


async def _find(session: AsyncSession, caller: Principal, path: str, *, root: str) -> Lora | None:
    """Find a LoRA by name, or by digest, as provenance records name it."""
    digest = path_digest(path)
    if digest is not None:
        return await find_lora_by_digest(session, caller.scope, digest)
    return await find_lora(session, caller.scope, path, root=root)
