"""The pictures among a task's inputs: object keys, or URLs that have not been fetched yet."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES

FAL_OBJECTS = "fal_objects"
"""The input of an EXPERIMENTAL_FAL that lists those strings among its `fal_parameters` which are
keys of objects that the client may read. The gateway alone writes it; a worker reads no others."""


def field_meant(task_type: TaskType, name: str) -> str:
    """The input that a request field means: itself, where it is no alias."""
    fields = TASK_TYPES[task_type].pictures
    return next((field.name for field in fields if name in field.aliases), name)


def is_remote(value: object) -> bool:
    """Whether a picture is still somewhere else."""
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def remote_pictures(task_type: TaskType, inputs: Mapping[str, Any]) -> dict[str, str]:
    """The URLs among a task's pictures, each once, in order, and where they first stand."""
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
    """The picture fields that change when URLs become object keys."""
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
    # What a step maps into a picture may be anything.
    return keys.get(value, value) if isinstance(value, str) else value
