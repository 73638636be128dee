"""Picture inputs of a task: object keys, or URLs that have not been fetched yet."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES

FAL_OBJECTS = "fal_objects"
"""Name of the EXPERIMENTAL_FAL input that lists the strings of `fal_parameters` that are keys of
objects which the client may read. Only the gateway writes it; a worker reads no other objects."""


def field_meant(task_type: TaskType, name: str) -> str:
    """Return the input that a request field sets: the field itself, unless it is an alias."""
    fields = TASK_TYPES[task_type].pictures
    return next((field.name for field in fields if name in field.aliases), name)


def is_remote(value: object) -> bool:
    """Return true if a picture is an http(s) URL."""
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def remote_pictures(task_type: TaskType, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the URLs among a task's pictures, in order, with the field of first occurrence."""
    found: dict[str, str] = {}
    for field in TASK_TYPES[task_type].pictures:
        value: Any = inputs.get(field.name)
        named: list[tuple[str, Any]] = [(field.name, value)]
        if isinstance(value, list):
            named = [(f"{field.name}.{place}", item) for place, item in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON
        for name, item in named:
            if is_remote(item):
                found.setdefault(str(item), name)
    return found


def replace_pictures(
    task_type: TaskType, inputs: Mapping[str, Any], keys: Mapping[str, str]
) -> dict[str, Any]:
    """Return the picture fields that change when URLs are replaced by object keys."""
    changed: dict[str, Any] = {}
    for field in TASK_TYPES[task_type].pictures:
        value = inputs.get(field.name)
        if isinstance(value, list):
            replaced: Any = [_replaced(item, keys) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON
        else:
            replaced = _replaced(value, keys)
        if replaced != value:
            changed[field.name] = replaced
    return changed


def _replaced(value: object, keys: Mapping[str, str]) -> object:
    # A step may map a value of any type into a picture.
    return keys.get(value, value) if isinstance(value, str) else value
