"""The images of a task: each becomes an object key, or stays a URL that the run fetches."""

from typing import Any, cast

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.image_sources import Destination, resolve_source
from api_gateway.resources import Resources
from api_gateway.uploads import Upload
from shared.contracts.enums import TaskType
from shared.contracts.json_texts import replace_texts, texts_in
from shared.contracts.picture_objects import FAL_PARAMETERS, PICTURE_OBJECTS
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from shared.images.admission import ImageRefusedError
from shared.images.inline import is_base64_url

_MAX_PICTURES = 100


async def resolve_pictures(
    task: Task, res: Resources, caller: Principal
) -> tuple[list[Upload], list[Fault]]:
    """Replace a task's images by object keys.

    Returns:
        The uploads to be stored before the task is written, and the faults of the request.
    """
    resolver = _Resolver(task, res, caller)
    for field in TASK_TYPES[TaskType(task.task_type)].pictures:
        for name in (field.name, *field.aliases):
            value = task.inputs.pop(name, None)
            if value is not None:
                task.inputs[field.name] = await resolver.resolve(name, value)
    if FAL_PARAMETERS in task.inputs:
        given = task.inputs[FAL_PARAMETERS]
        task.inputs[FAL_PARAMETERS] = await resolver.resolve_inline(FAL_PARAMETERS, given)
    if resolver.elsewhere:
        task.inputs[PICTURE_OBJECTS] = resolver.elsewhere
    # An image that is given twice is one object.
    uploads = {upload.row.key: upload for upload in resolver.uploads}
    return list(uploads.values()), resolver.faults


class _Resolver:
    def __init__(self, task: Task, res: Resources, caller: Principal) -> None:
        self._destination = Destination(
            folder=TASK_TYPES[TaskType(task.task_type)].folder,
            subject_id=task.id,
            origin_instance=task.origin_instance,
            origin_tenant_id=task.origin_tenant_id,
        )
        self._res, self._caller = res, caller
        self.uploads: list[Upload] = []
        self.elsewhere: dict[str, str] = {}
        """Object keys of saved images, by path."""
        self.faults: list[Fault] = []

    async def resolve(self, name: str, value: Any) -> Any:
        if not isinstance(value, list):
            return await self._resolve_one((name,), value)
        values = cast("list[Any]", value)
        if len(values) > _MAX_PICTURES:
            message = f"has {len(values)} images; at most {_MAX_PICTURES} are allowed"
            self.faults.append(Fault((name,), message))
            return values
        return [await self._resolve_one((name, i), item) for i, item in enumerate(values)]

    async def resolve_inline(self, name: str, value: Any) -> Any:
        """Replace the data URLs at any depth; all other texts stay."""
        inline = [(place, text) for place, text in texts_in(value) if is_base64_url(text)]
        if len(inline) > _MAX_PICTURES:
            message = f"has {len(inline)} images; at most {_MAX_PICTURES} are allowed"
            self.faults.append(Fault((name,), message))
            return value
        found = iter([await self._resolve_one((name, *place), text) for place, text in inline])
        return replace_texts(value, lambda text: next(found) if is_base64_url(text) else text)

    async def _resolve_one(self, place: tuple[str | int, ...], value: str) -> str:
        try:
            found = await resolve_source(value, self._destination, self._res, self._caller)
        except ImageRefusedError as error:
            self.faults.append(Fault(place, str(error)))
            return value
        if isinstance(found, str):
            return found
        if isinstance(found, Upload):
            self.uploads.append(found)
            return found.row.key
        if found.object_key is not None:
            self.elsewhere[found.key] = found.object_key
        return found.key
