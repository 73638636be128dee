"""Mapped values against the types and bounds of the inputs that they are mapped to. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from shared.contracts.error_text import describe_faults
from shared.contracts.mapping_faults import mapping_faults
from shared.contracts.runs import PipelineStep, StepMapping
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.table import TASK_TYPES
from shared.contracts.untrusted import clean_text
from workflows.definitions.mapping import MappingError, told

_MOST_FAULTS = 10


def fitted(step: PipelineStep, mapped: Mapping[str, Any]) -> dict[str, Any]:
    """Return mapped values as the step's task takes them.

    Raises:
        MappingError: names each mapping that does not fit, its value and its input.
    """
    row = TASK_TYPES[step.run.task_type]
    faults: list[str] = []
    values = dict(mapped)
    for mapping in step.mappings:
        value = mapped[mapping.to_field]
        if value is None and not _is_free(mapping.to_field):
            faults.append(f"{told(mapping, value)}: there is no value")
            continue
        try:
            values[mapping.to_field] = _as_taken(row, mapping.to_field, value)
        except ValidationError as error:
            faults.append(f"{told(mapping, value)}: {describe_faults(error)}")
    if not faults:
        run = step.run.with_inputs(values)
        for misfit in mapping_faults(run, mapped):
            faults.append(f"{_all_told(step, misfit.fields, values)}: {misfit.fault}")
    if faults:
        raise MappingError(clean_text("; ".join(faults[:_MOST_FAULTS])))
    return values


def _is_free(field: str) -> bool:
    """Return true for a key within an object: it takes anything."""
    return "." in field


def _as_taken(row: TaskTypeRow, field: str, value: Any) -> Any:
    return value if _is_free(field) else row.inputs.validate_one(field, value)


def _all_told(step: PipelineStep, fields: Collection[str], values: Mapping[str, Any]) -> str:
    """The mappings into some fields; all of them, where it is about none of those."""
    concerned: Iterable[StepMapping] = [m for m in step.mappings if m.to_field in fields]
    return ", and ".join(told(m, values[m.to_field]) for m in concerned or step.mappings)
