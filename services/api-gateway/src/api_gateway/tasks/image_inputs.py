"""Pictures that come in with a request: each becomes an object key before the task is written."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
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
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"RIFF", "webp"))
_DATA_URL = re.compile(r"data:[\w.+/-]*(;[\w=.+-]+)*;base64,")


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
    content = _decode(value, res.settings.max_input_bytes)
    kind = next((kind for magic, kind in _SIGNATURES if content.startswith(magic)), None)
    if kind is None:
        raise PictureError("must be a PNG, JPEG or WebP picture")
    digest = hashlib.sha256(content).hexdigest()
    folder = _FOLDERS[TaskType(task.task_type)]
    row = StoredObject(
        key=f"{folder}/{task.id}/inputs/{digest[:16]}.{kind}",
        origin_instance=task.origin_instance,
        origin_tenant_id=task.origin_tenant_id,
        task_id=task.id,
        size_bytes=len(content),
        content_type=f"image/{kind}",
        sha256=digest,
    )
    return Upload(row, content)


def _decode(value: str, max_bytes: int) -> bytes:
    header = _DATA_URL.match(value)
    encoded = value[header.end() :] if header else value
    if len(encoded) * 3 // 4 > max_bytes:
        raise PictureError(f"is larger than {max_bytes} bytes")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError(
            "is neither the path of a stored picture nor base64 nor a data URL"
        ) from error
