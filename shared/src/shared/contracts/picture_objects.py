"""Translation of picture paths, which clients use, into object keys, which workers read.

The content of a saved picture is stored under its own object key. The gateway adds the keys to a
task's inputs when it creates the task; the record, responses and provenance keep the paths.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.contracts.enums import TaskType
from shared.contracts.json_texts import renamed
from shared.contracts.pictures import FAL_OBJECTS, is_remote, replace_pictures
from shared.contracts.task_types.table import TASK_TYPES

PICTURE_OBJECTS = "picture_objects"
"""Name of the input with the object key by path, for pictures whose key differs from their path.
Only the gateway and the workflow worker write it."""

FAL_PARAMETERS = "fal_parameters"
"""Name of the EXPERIMENTAL_FAL input whose texts may be paths of objects, at any depth."""


def picture_paths(task_type: TaskType, inputs: Mapping[str, Any]) -> list[str]:
    """Return the object paths among a task's pictures, without duplicates."""
    named = [value for value in _named(task_type, inputs) if not is_remote(value)]
    return list(dict.fromkeys(named))


def _named(task_type: TaskType, inputs: Mapping[str, Any]) -> Iterator[str]:
    fields = [field.name for field in TASK_TYPES[task_type].pictures]
    if task_type == TaskType.EXPERIMENTAL_FAL:
        fields.append(FAL_OBJECTS)
    for name in fields:
        value = inputs.get(name)
        for item in cast("list[Any]", value) if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield item


def with_object_keys(task_type: TaskType, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's inputs as its worker reads them: object keys instead of paths."""
    read = {name: value for name, value in inputs.items() if name != PICTURE_OBJECTS}
    keys: Mapping[str, str] = inputs.get(PICTURE_OBJECTS) or {}
    if not keys:
        return read
    read |= replace_pictures(task_type, inputs, keys)
    if task_type == TaskType.EXPERIMENTAL_FAL:
        names = (FAL_PARAMETERS, FAL_OBJECTS)
        read |= {name: renamed(inputs[name], keys) for name in names if name in inputs}
    return read
