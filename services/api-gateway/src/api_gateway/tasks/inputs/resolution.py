"""Conversion of a request's inputs to those of a run."""

from collections.abc import Iterator

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.resources import Resources
from api_gateway.tasks.inputs.fal_objects import note_fal_objects
from api_gateway.tasks.inputs.loras import note_loras
from api_gateway.tasks.inputs.pictures import resolve_pictures
from api_gateway.uploads import Upload
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import TaskType
from shared.contracts.json_texts import texts_in
from shared.db.models.tables import Task
from shared.images.inline import is_base64_url


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
        keys = {upload.row.key for upload in uploads}
        faults += await note_fal_objects(task, keys, res, caller)
    if has_loras:
        faults += await note_loras(task, res, caller)
    return uploads, [*faults, *_inline_options(task)]


def _inline_options(task: Task) -> Iterator[Fault]:
    """Yield a fault for each file in the options of providers, which are recorded unchanged."""
    for name in ("provider_config", "fallback_provider_config"):
        for place, text in texts_in(getattr(task, name)):
            if is_base64_url(text):
                yield Fault((name, *place), "is a data URL; give the URL of a file instead")
