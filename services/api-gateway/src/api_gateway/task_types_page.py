"""A command that prints `docs/task-types.md` from the table of task types."""

import sys
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from shared.contracts.enums import TaskType
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.table import TASK_TYPES

_HEAD = """\
# Task types and their results

Made by `make openapi` out of the table of task types. The inputs of each type are in
[the API](openapi.json), as `Create…Task`.

The record of a COMPLETED task has these fields, and so has its step's `result`; a mapping names one
as its `from_field`. Paths are read at `GET /api/v1/storage/images/{path}`, and go as they are into
the picture inputs of other tasks.

| task type | provider by default | result field | type | what |
|---|---|---|---|---|
"""


def page_text() -> str:
    """Return the page as committed."""
    lines = [line for task_type, row in TASK_TYPES.items() for line in _lines(task_type, row)]
    return _HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _lines(task_type: TaskType, row: TaskTypeRow) -> list[tuple[str, ...]]:
    """Return a line per result field; the first one names the task type."""
    fields = [
        (f"`{name}`", _kind(field.annotation), field.description or "")
        for name, field in row.results.model_fields.items()
    ]
    if row.has_free_results:
        fields.append(
            ("any other", "JSON", "The app's own response, with paths in place of files inside it")
        )
    names = [(task_type, f"`{row.default_provider}`"), *[("", "")] * (len(fields) - 1)]
    return [name + field for name, field in zip(names, fields, strict=True)]


def _kind(annotation: Any) -> str:
    """Return the JSON type of an annotation."""
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [_kind(one) for one in get_args(annotation) if one is not NoneType]
        return " or ".join([*kinds, "null"])
    if get_origin(annotation) is list:
        return f"list of {_kind(get_args(annotation)[0])}s"
    names = {Any: "JSON", bool: "true or false", int: "integer", float: "number"}
    return names.get(annotation, "text")


if __name__ == "__main__":
    sys.stdout.write(page_text())
