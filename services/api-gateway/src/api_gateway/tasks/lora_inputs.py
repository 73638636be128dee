"""The LoRAs that a task names: each must be in the store, for whoever asks."""

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.resources import Resources
from shared.contracts.capabilities import LORA_FIELDS
from shared.db.models.tables import Task
from shared.db.repositories.loras import find_lora


async def check_loras(task: Task, res: Resources, caller: Principal) -> list[Fault]:
    """What is wrong with the LoRAs of a task."""
    named = {name: task.inputs[name] for name in LORA_FIELDS if task.inputs.get(name)}
    if not named:
        return []
    faults: list[Fault] = []
    async with res.sessions() as session:
        for name, path in named.items():
            if await find_lora(session, caller.scope, path, root=res.lora.root) is None:
                message = f"there is no LoRA {path!r}; upload it, or list what there is"
                faults.append(Fault((name,), message))
    return faults
