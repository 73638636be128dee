"""The pictures and videos of a task, with URLs that a browser opens."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from api_gateway.auth.principal import Principal
from api_gateway.monitoring.schemas.tasks import MediaItem, TaskMediaResponse
from api_gateway.recorded import members
from api_gateway.resources import Resources
from shared.db.models.tables import StoredObject, Task
from shared.db.repositories.subjects import find_objects
from shared.db.repositories.tasks import TaskRow

_EXPIRES_S = 3600
_LONGEST_KEY = 1024
_ENDING = re.compile(r"_(path|url|data)s?$")


@dataclass(frozen=True)
class _Named:
    """A text among a task's fields, and where it is: `result_image_2`."""

    name: str
    text: str


async def media_of_task(
    res: Resources, caller: Principal, task: Task | TaskRow
) -> TaskMediaResponse:
    """Every picture and video that a task's fields name, and that the caller may see.

    What is media, the records of the objects say: a text is a picture or video where it is the key
    of one.
    """
    inputs, outputs = list(_texts(members(task.inputs))), list(_texts(members(task.results)))
    async with res.sessions() as session:
        keys = {named.text for named in inputs + outputs}
        known = await find_objects(session, caller.scope, keys)
    return TaskMediaResponse(
        task_id=task.id,
        inputs=await _items(res, inputs, known),
        outputs=await _items(res, outputs, known),
    )


def _texts(fields: Mapping[str, Any]) -> Iterator[_Named]:
    """Every text among the fields that may be a key."""
    for field, value in sorted(fields.items()):
        name = _ENDING.sub("", field)
        if isinstance(value, str) and "/" in value and len(value) <= _LONGEST_KEY:
            yield _Named(name, value)
        elif isinstance(value, list):
            parts = cast("list[Any]", value)
            yield from _texts({f"{name}_{place}": part for place, part in enumerate(parts, 1)})
        elif isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            yield from _texts({f"{name}.{key}": part for key, part in inner.items()})


async def _items(
    res: Resources, texts: Iterable[_Named], known: Mapping[str, StoredObject]
) -> list[MediaItem]:
    items: dict[str, MediaItem] = {}
    for named in texts:
        row = known.get(named.text)
        kind = row.content_type.partition("/")[0] if row else ""
        # A single result is also the first of the list of results: it is shown once.
        if row and kind in {"image", "video"} and named.text not in items:
            url = res.objects.presigned_url(row.content_key, expires_s=_EXPIRES_S)
            items[named.text] = MediaItem(
                name=named.name, path=named.text, url=url, media_type=kind
            )
    return list(items.values())
