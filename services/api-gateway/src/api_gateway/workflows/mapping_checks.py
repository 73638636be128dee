"""Checks of mappings between steps: names, and types as far as they are known. Pure."""

from collections.abc import Iterator

from api_gateway.errors import Fault
from api_gateway.workflows.schemas import FieldMapping, WorkflowStepDefinition
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import MappingTransform, TaskType
from shared.contracts.task_types.shapes import (
    Kind,
    Shape,
    fitting_transform,
    input_shape,
    result_shape,
    transformed,
)
from shared.contracts.task_types.table import TASK_TYPES

_OBJECTS = frozenset({"fal_parameters"})
"""Inputs with free keys: `fal_parameters.image_url` is a target as well."""


def check_mapping(
    mapping: FieldMapping,
    source: WorkflowStepDefinition,
    target: WorkflowStepDefinition,
    *,
    is_again: bool,
) -> list[Fault]:
    """Return the faults of a mapping, each with its place below it.

    Args:
        mapping: a mapping of the target.
        source: the step that it reads.
        target: the step that it belongs to.
        is_again: another mapping has the same target field.
    """
    faults = [
        *_source_faults(mapping, source.task_type),
        *_link_faults(mapping, target.task_type),
        *_target_faults(mapping, target.task_type, is_again=is_again),
    ]
    return faults or list(_type_faults(mapping, source.task_type, target.task_type))


def _source_faults(mapping: FieldMapping, task_type: TaskType) -> Iterator[Fault]:
    row = TASK_TYPES[task_type]
    produced = row.results.model_fields
    if not row.has_free_results and mapping.from_field not in produced:
        fields = ", ".join(sorted(produced))
        message = f"{task_type} never produces {mapping.from_field!r}; its results are {fields}"
        yield Fault(("from_field",), message)


def _link_faults(mapping: FieldMapping, task_type: TaskType) -> Iterator[Fault]:
    if mapping.transform != MappingTransform.TO_URL:
        return
    if not _is_path(mapping.from_field):
        message = f"to_url needs the path of an object; {mapping.from_field!r} is none"
        yield Fault(("transform",), message)
    elif mapping.to_field in {field.name for field in TASK_TYPES[task_type].pictures}:
        message = f"{mapping.to_field!r} takes the path itself; leave the transform out"
        yield Fault(("transform",), message)


def _target_faults(
    mapping: FieldMapping, task_type: TaskType, *, is_again: bool
) -> Iterator[Fault]:
    # A LoRA is looked up when the task is created, before any step has run.
    taken = TASK_TYPES[task_type].inputs.model_fields.keys() - set(LORA_FIELDS)
    name = mapping.to_field
    is_taken = name in taken or name.partition(".")[0] in taken & _OBJECTS
    if not is_taken or is_again:
        why = "is mapped twice (an alias is the same)" if is_again else "is not an input"
        fields = ", ".join(sorted(taken))
        yield Fault(("to_field",), f"{name!r} {why} of {task_type}; inputs are {fields}")


def _type_faults(
    mapping: FieldMapping, source_type: TaskType, target_type: TaskType
) -> Iterator[Fault]:
    source = result_shape(TASK_TYPES[source_type], mapping.from_field)
    target = input_shape(TASK_TYPES[target_type], mapping.to_field)
    made = transformed(source, mapping.transform)
    if made is not None and made.fits(target):
        return
    name = f"{mapping.from_step}.{mapping.from_field}"
    if made is None:
        gives = f"{name} is {source}, which {mapping.transform} cannot convert"
    elif mapping.transform is None:
        gives = f"{name} is {made}"
    else:
        gives = f"{name} through {mapping.transform} is {made}"
    message = f"{gives}, but {mapping.to_field!r} of {target_type} takes {target}"
    yield Fault(("transform",), f"{message}; {_remedy(mapping, source, target)}")


def _remedy(mapping: FieldMapping, source: Shape, target: Shape) -> str:
    if source.fits(target):
        return "leave the transform out"
    if target.kind is Kind.OBJECT:
        return f"map it to a key of that, such as {mapping.to_field}.value"
    # A path is never a number.
    has_transform = not (_is_path(mapping.from_field) and target.kind in {Kind.WHOLE, Kind.NUMBER})
    transform = fitting_transform(source, target) if has_transform else None
    if transform is not None:
        return f"use the transform {transform}"
    return "map another field: no transform converts one to the other"


def _is_path(field: str) -> bool:
    return "path" in field
