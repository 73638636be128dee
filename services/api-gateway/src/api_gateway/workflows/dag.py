"""Checks that a workflow's steps form a DAG with valid mappings. Pure."""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import chain, islice

from api_gateway.errors import Fault
from api_gateway.fault_list import named
from api_gateway.workflows.mapping_checks import check_mapping
from api_gateway.workflows.schemas import WorkflowStepDefinition

Steps = Sequence[WorkflowStepDefinition]

_MAX_FAULTS = 1000


def dependencies(step: WorkflowStepDefinition) -> list[str]:
    """Return every step that a step waits for, stated or by a mapping, each once."""
    return list(dict.fromkeys([*step.depends_on, *(m.from_step for m in step.input_mappings)]))


def check_dag(steps: Steps) -> list[Fault]:
    """Return the faults of the steps, each with its place below `steps`."""
    faults = _first(chain(_duplicates(steps), _unknown_dependencies(steps)))
    return faults or _first(chain(_cycle(steps), _mappings(steps)))


def _first(faults: Iterator[Fault]) -> list[Fault]:
    """Return the first faults: two hundred steps may name forty thousand that do not exist."""
    return list(islice(faults, _MAX_FAULTS))


def topological_order(steps: Steps) -> list[WorkflowStepDefinition]:
    """Return the steps with each after its dependencies, otherwise in the request's order."""
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
    """Return the last step in topological order on which no other depends."""
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
        targets: set[str] = set()
        for i, mapping in enumerate(step.input_mappings):
            place = (index, "input_mappings", i)
            is_again = mapping.to_field in targets
            targets.add(mapping.to_field)
            source = by_id[mapping.from_step]
            for fault in check_mapping(mapping, source, step, is_again=is_again):
                yield Fault((*place, *fault.loc), fault.message)
