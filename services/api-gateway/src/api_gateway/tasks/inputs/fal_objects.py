"""The stored objects among the parameters of an app on fal."""

from collections.abc import Collection

from api_gateway.auth.principal import Principal
from api_gateway.errors import Fault
from api_gateway.resources import Resources
from shared.contracts.json_texts import texts_in
from shared.contracts.picture_objects import FAL_PARAMETERS, PICTURE_OBJECTS
from shared.contracts.pictures import FAL_OBJECTS
from shared.db.models.tables import Task
from shared.db.repositories.subjects import find_objects

_LONGEST_KEY = 1024
_MAX_STRINGS = 1000


async def note_fal_objects(
    task: Task, uploaded: Collection[str], res: Resources, caller: Principal
) -> list[Fault]:
    """Note the parameters that name objects of the caller; the worker reads no others.

    All other strings are passed to the app unchanged.

    Args:
        task: an EXPERIMENTAL_FAL.
        uploaded: keys of its uploads, which are not stored yet.
        res: the gateway's connections.
        caller: the owner of the objects.
    """
    texts = {text for _, text in texts_in(task.inputs.get(FAL_PARAMETERS))}
    uploads = texts.intersection(uploaded)
    strings = {text for text in texts - uploads if _is_possible_key(text)}
    if len(strings) > _MAX_STRINGS:
        message = f"has {len(strings)} different strings; at most {_MAX_STRINGS} are allowed"
        return [Fault((FAL_PARAMETERS,), message)]
    async with res.sessions() as session:
        rows = await find_objects(session, caller.scope, strings)
    found = {path: row for path, row in rows.items() if row.lost_at is None}
    if found or uploads:
        task.inputs[FAL_OBJECTS] = sorted(uploads.union(found))
    elsewhere = {path: row.object_key for path, row in found.items() if row.object_key}
    if elsewhere:
        task.inputs[PICTURE_OBJECTS] = task.inputs.get(PICTURE_OBJECTS, {}) | elsewhere
    return []


def _is_possible_key(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_KEY and "://" not in text and "\0" not in text
