"""The stored objects among the parameters of an app on fal."""

from collections.abc import Iterator
from typing import Any, cast

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.resources import Resources
from shared.contracts.picture_objects import PICTURE_OBJECTS
from shared.contracts.pictures import FAL_OBJECTS
from shared.db.models.tables import Task
from shared.db.repositories.subjects import find_objects

_LONGEST_KEY = 1024
_MAX_STRINGS = 1000


async def note_fal_objects(task: Task, res: Resources, caller: Principal) -> list[Fault]:
    """Note the parameters that name objects of the caller; the worker reads no others.

    All other strings are passed to the app unchanged.
    """
    strings = set(_possible_keys(task.inputs.get("fal_parameters")))
    if len(strings) > _MAX_STRINGS:
        message = f"has {len(strings)} different strings; at most {_MAX_STRINGS} are allowed"
        return [Fault(("fal_parameters",), message)]
    async with res.sessions() as session:
        rows = await find_objects(session, caller.scope, strings)
    found = {path: row for path, row in rows.items() if row.lost_at is None}
    if found:
        task.inputs[FAL_OBJECTS] = sorted(found)
        elsewhere = {path: row.object_key for path, row in found.items() if row.object_key}
        if elsewhere:
            task.inputs[PICTURE_OBJECTS] = task.inputs.get(PICTURE_OBJECTS, {}) | elsewhere
    return []


def _possible_keys(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if 0 < len(value) <= _LONGEST_KEY and "://" not in value and "\0" not in value:
            yield value
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _possible_keys(item)
    elif isinstance(value, dict):
        for item in cast("dict[str, Any]", value).values():
            yield from _possible_keys(item)
