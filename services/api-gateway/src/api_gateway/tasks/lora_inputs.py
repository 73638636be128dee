"""The LoRAs that a task names: each must be in the store, for whoever asks."""

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.lora.keeping import object_key
from api_gateway.resources import Resources
from shared.contracts.capabilities import LORA_FIELDS, LORA_OBJECTS
from shared.db.models.tables import Task
from shared.db.repositories.loras import find_lora


async def check_loras(task: Task, res: Resources, caller: Principal) -> list[Fault]:
    """Write down which object each LoRA of a task is.

    Returns:
        What is wrong with them.
    """
    named = {name: task.inputs[name] for name in LORA_FIELDS if task.inputs.get(name)}
    if not named:
        return []
    faults: list[Fault] = []
    async with res.sessions() as session:
        for name, path in named.items():
            found = await find_lora(session, caller.scope, path, root=res.lora.root)
            if found is None:
                message = f"there is no LoRA {path!r}; upload it, or list what there is"
                faults.append(Fault((name,), message))
            else:
                task.inputs.setdefault(LORA_OBJECTS, {})[name] = object_key(found.sha256)
    return faults
