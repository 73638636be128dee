"""Validation of mapped values by the types and bounds of their target inputs. Pure functions."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from shared.contracts.error_text import describe_faults
from shared.contracts.mapping_faults import mapping_faults
from shared.contracts.runs import PipelineStep, StepMapping
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.table import TASK_TYPES
from shared.contracts.untrusted import clean_text
from workflows.definitions.mapping import MappingError, describe_mapping

_MOST_FAULTS = 10


def fitted(
    step: PipelineStep,
    mapped: Mapping[str, Any],
    checks_services: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Validate mapped values, and return them converted to the types of the step's inputs.

    Args:
        step: the step.
        mapped: the values, by input.
        checks_services: returns false in runs that began before the limits of remote services were
            checked.

    Raises:
        MappingError: names each invalid mapping, its value and its input.
    """
    row = TASK_TYPES[step.run.task_type]
    faults: list[str] = []
    values = dict(mapped)
    for mapping in step.mappings:
        value = mapped[mapping.to_field]
        if value is None and not _is_free(mapping.to_field):
            faults.append(f"{describe_mapping(mapping, value)}: it has no value")
            continue
        try:
            values[mapping.to_field] = _as_taken(row, mapping.to_field, value)
        except ValidationError as error:
            faults.append(f"{describe_mapping(mapping, value)}: {describe_faults(error)}")
    if not faults:
        run = step.run.with_inputs(values)
        for misfit in mapping_faults(run, mapped, checks_services):
            faults.append(f"{_describe_all(step, misfit.fields, values)}: {misfit.fault}")
    if faults:
        raise MappingError(clean_text("; ".join(faults[:_MOST_FAULTS])))
    return values


def _is_free(field: str) -> bool:
    """Return true for a key within an object, which accepts any value."""
    return "." in field


def _as_taken(row: TaskTypeRow, field: str, value: Any) -> Any:
    return value if _is_free(field) else row.inputs.validate_one(field, value)


def _describe_all(step: PipelineStep, fields: Collection[str], values: Mapping[str, Any]) -> str:
    """Describe the mappings into some fields; all mappings of the step, if there are none."""
    concerned: Iterable[StepMapping] = [m for m in step.mappings if m.to_field in fields]
    return ", and ".join(
        describe_mapping(m, values[m.to_field]) for m in concerned or step.mappings
    )
