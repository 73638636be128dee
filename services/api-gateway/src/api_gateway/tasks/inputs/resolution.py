"""Conversion of a request's inputs to those of a run."""

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.resources import Resources
from api_gateway.tasks.inputs.fal_objects import note_fal_objects
from api_gateway.tasks.inputs.loras import note_loras
from api_gateway.tasks.inputs.pictures import resolve_pictures
from api_gateway.uploads import Upload
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import TaskType
from shared.db.models.tables import Task


async def resolve_inputs(
    task: Task, res: Resources, caller: Principal
) -> tuple[list[Upload], list[Fault]]:
    """Replace a task's images by object keys, and note the objects and LoRAs that it names.

    Returns:
        The uploads to be stored before the task is written, and the faults of the inputs.
    """
    has_loras = any(task.inputs.get(name) for name in LORA_FIELDS)
    uploads, faults = await resolve_pictures(task, res, caller)
    if task.task_type == TaskType.EXPERIMENTAL_FAL:
        faults += await note_fal_objects(task, res, caller)
    if has_loras:
        faults += await note_loras(task, res, caller)
    return uploads, faults
