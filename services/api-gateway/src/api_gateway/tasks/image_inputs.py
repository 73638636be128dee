"""Pictures that come in with a request: each becomes an object key before the task is written."""

import hashlib
from dataclasses import dataclass

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.images.admission import ImageRefusedError, admit_image, decode_base64_image
from api_gateway.resources import Resources
from shared.contracts.enums import TaskType
from shared.db.models.tables import StoredObject, Task
from shared.db.repositories.subjects import find_object

_FIELDS: dict[str, dict[str, str]] = {
    TaskType.GENERATION: {
        "reference_image_url": "reference_image_url",
        "reference_image_data": "reference_image_url",
    },
    TaskType.REFINE: {"base_image_url": "base_image_url"},
}
"""By task type: request fields that hold a picture, and the input that holds its key."""

_FOLDERS = {TaskType.GENERATION: "generations", TaskType.REFINE: "refines"}


@dataclass(frozen=True)
class Upload:
    """Bytes to be stored, and the row that says whose they are."""

    row: StoredObject
    content: bytes


class PictureError(ValueError):
    """A field holds no picture that can be used; the message says what would do."""


async def resolve_images(
    task: Task, res: Resources, caller: Principal
) -> tuple[list[Upload], list[Fault]]:
    """Replace a task's pictures by object keys.

    Returns:
        What is to be stored before the task is written, and what is wrong with the request.
    """
    uploads: list[Upload] = []
    faults: list[Fault] = []
    for name, target in _FIELDS.get(task.task_type, {}).items():
        value = task.inputs.pop(name, None)
        if value is None:
            continue
        try:
            found = await _resolve(value, task, res, caller)
        except PictureError as error:
            faults.append(Fault((name,), str(error)))
            continue
        if isinstance(found, Upload):
            uploads.append(found)
        task.inputs[target] = found.row.key if isinstance(found, Upload) else found
    return uploads, faults


async def _resolve(value: str, task: Task, res: Resources, caller: Principal) -> str | Upload:
    if value.lower().startswith(("http://", "https://")):
        raise PictureError("remote URLs are not served yet; give base64, a data URL or a path")
    if len(value) <= 1024 and not value.startswith("data:"):
        async with res.sessions() as session:
            if await find_object(session, caller.scope, value):
                return value
    limits = res.settings
    try:
        content = decode_base64_image(value, limits.max_input_bytes)
        admitted = admit_image(
            content, max_bytes=limits.max_input_bytes, max_pixels=limits.max_input_pixels
        )
    except ImageRefusedError as error:
        raise PictureError(str(error)) from error
    digest = hashlib.sha256(content).hexdigest()
    folder = _FOLDERS[TaskType(task.task_type)]
    row = StoredObject(
        key=f"{folder}/{task.id}/inputs/{digest[:16]}.{admitted.extension}",
        origin_instance=task.origin_instance,
        origin_tenant_id=task.origin_tenant_id,
        task_id=task.id,
        size_bytes=len(content),
        content_type=admitted.content_type,
        sha256=digest,
    )
    return Upload(row, content)
