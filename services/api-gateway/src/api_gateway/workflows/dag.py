"""Whether a workflow's steps form a DAG whose mappings fit. Pure."""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import chain, islice

from api_gateway.errors import Fault
from api_gateway.fault_list import named
from api_gateway.workflows.schemas import FieldMapping, WorkflowStepDefinition
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import MappingTransform
from shared.contracts.task_types.table import TASK_TYPES

Steps = Sequence[WorkflowStepDefinition]

_MAX_FAULTS = 1000

_OBJECTS = frozenset({"fal_parameters"})
"""Inputs with keys of their own: `fal_parameters.image_url` is a target, too."""


def dependencies(step: WorkflowStepDefinition) -> list[str]:
    """Every step that it waits for: stated ones and its mappings' sources, each once."""
    return list(dict.fromkeys([*step.depends_on, *(m.from_step for m in step.input_mappings)]))


def check_dag(steps: Steps) -> list[Fault]:
    """What is wrong with the steps, each fault with its place below `steps`."""
    faults = _first(chain(_duplicates(steps), _unknown_dependencies(steps)))
    return faults or _first(chain(_cycle(steps), _mappings(steps)))


def _first(faults: Iterator[Fault]) -> list[Fault]:
    """Return the first faults: two hundred steps may name forty thousand that do not exist."""
    return list(islice(faults, _MAX_FAULTS))


def topological_order(steps: Steps) -> list[WorkflowStepDefinition]:
    """Steps with every step behind what it waits for; the order of equals is the request's."""
    by_id = {step.id: step for step in steps}
    position = {step.id: index for index, step in enumerate(steps)}
    sorter = TopologicalSorter({step.id: dependencies(step) for step in steps})
    sorter.prepare()
    ordered: list[WorkflowStepDefinition] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=position.__getitem__)
        ordered += [by_id[name] for name in ready]
        sorter.done(*ready)
    return ordered


def final_step_id(ordered: Steps) -> str:
    """The last sink in topological order."""
    waited_for = {name for step in ordered for name in dependencies(step)}
    return [step.id for step in ordered if step.id not in waited_for][-1]


def _duplicates(steps: Steps) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, step in enumerate(steps):
        if step.id in seen:
            yield Fault((index, "id"), f"step id {step.id!r} is used twice")
        seen.add(step.id)


def _unknown_dependencies(steps: Steps) -> Iterator[Fault]:
    known = {step.id for step in steps}
    listed = named(sorted(known))
    for index, step in enumerate(steps):
        places = [((index, "depends_on", i), name) for i, name in enumerate(step.depends_on)]
        places += [
            ((index, "input_mappings", i, "from_step"), m.from_step)
            for i, m in enumerate(step.input_mappings)
        ]
        for place, name in places:
            if name not in known:
                yield Fault(place, f"there is no step {name!r}; the steps are {listed}")


def _cycle(steps: Steps) -> Iterator[Fault]:
    try:
        TopologicalSorter({step.id: dependencies(step) for step in steps}).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        first = next(i for i, step in enumerate(steps) if step.id in names)
        # graphlib lists a cycle from dependency to dependent.
        message = f"the steps form a cycle: {named(names, between=' → ')}"
        yield Fault((first, "depends_on"), message)


def _mappings(steps: Steps) -> Iterator[Fault]:
    by_id = {step.id: step for step in steps}
    for index, step in enumerate(steps):
        # A LoRA is looked up when the task is created, and that is before any step has run.
        taken = TASK_TYPES[step.task_type].inputs.model_fields.keys() - set(LORA_FIELDS)
        fields = ", ".join(sorted(taken))
        targets: set[str] = set()
        for i, mapping in enumerate(step.input_mappings):
            place = (index, "input_mappings", i)
            yield from _source_faults(place, mapping, by_id[mapping.from_step])
            yield from _link_faults(place, mapping, step)
            is_taken = (
                mapping.to_field in taken or mapping.to_field.partition(".")[0] in taken & _OBJECTS
            )
            if not is_taken or mapping.to_field in targets:
                is_again = mapping.to_field in targets
                why = "is mapped twice (an alias is the same)" if is_again else "is not an input"
                message = f"{mapping.to_field!r} {why} of {step.task_type}; inputs are {fields}"
                yield Fault((*place, "to_field"), message)
            targets.add(mapping.to_field)


def _source_faults(
    place: tuple[str | int, ...], mapping: FieldMapping, source: WorkflowStepDefinition
) -> list[Fault]:
    faults: list[Fault] = []
    row = TASK_TYPES[source.task_type]
    produced = row.results.model_fields
    if not row.has_free_results and mapping.from_field not in produced:
        fields = ", ".join(sorted(produced))
        message = (
            f"{source.task_type} never produces {mapping.from_field!r}; its results are {fields}"
        )
        faults.append(Fault((*place, "from_field"), message))
    return faults


def _link_faults(
    place: tuple[str | int, ...], mapping: FieldMapping, step: WorkflowStepDefinition
) -> list[Fault]:
    if mapping.transform != MappingTransform.TO_URL:
        return []
    if "path" not in mapping.from_field:
        message = f"to_url makes a URL of an object's path; {mapping.from_field!r} is none"
        return [Fault((*place, "transform"), message)]
    if mapping.to_field in {field.name for field in TASK_TYPES[step.task_type].pictures}:
        message = f"{mapping.to_field!r} takes the path itself; leave the transform out"
        return [Fault((*place, "transform"), message)]
    return []
