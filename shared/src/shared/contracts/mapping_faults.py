"""Checks of mapped values against the task's other inputs, its provider and its model.

`InputFields.validate_one` checks each value by itself; the checks here involve several fields. The
gateway applies the same rules to requests, as far as the values are known at creation.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from shared.contracts.enums import ProviderType
from shared.contracts.local_limits import (
    LORA_WEIGHTS,
    MAX_SIDE_PX,
    SIDES,
    side_fault,
    weight_fault,
)
from shared.contracts.providers import PROVIDERS, task_capabilities
from shared.contracts.remote_limits.checks import remote_faults
from shared.contracts.remote_limits.request import RemoteRequest
from shared.contracts.runs import TaskRun
from shared.contracts.task_types.table import TASK_TYPES


@dataclass(frozen=True)
class MappingFault:
    """An error and the inputs that it concerns."""

    fields: tuple[str, ...]
    fault: str


def mapping_faults(
    run: TaskRun,
    mapped: Collection[str],
    checks_services: Callable[[], bool] = lambda: True,
) -> Iterator[MappingFault]:
    """Yield the errors of a task that its mapped values cause.

    Args:
        run: the task with complete inputs.
        mapped: the inputs that come from an earlier step.
        checks_services: returns false in runs that began before the limits of remote services and
            the capabilities of their apps were checked. It is asked only if these decide.
    """
    for rule in TASK_TYPES[run.task_type].inputs.rules:
        if not set(rule.fields).isdisjoint(mapped):
            fault = rule.fault(*(_value(run, name) for name in rule.fields))
            if fault is not None:
                yield MappingFault(rule.fields, fault)
    yield from _unmet_needs(run, mapped, checks_services)
    yield from _beyond_the_service(run, mapped, checks_services)
    if ProviderType.LOCAL in (provider for provider, _ in _providers(run)):
        yield from _beyond_the_model(run, mapped)


def _value(run: TaskRun, name: str) -> Any:
    stated = TASK_TYPES[run.task_type].inputs.model_fields[name]
    return run.inputs.get(name, None if stated.is_required() else stated.default)


def _providers(run: TaskRun) -> list[tuple[ProviderType, dict[str, Any]]]:
    """Return the providers that may do the task, each with its configuration."""
    chosen = [run, *([run.fallback] if run.fallback else [])]
    return [(each.provider_type, each.provider_config) for each in chosen]


def _unmet_needs(
    run: TaskRun, mapped: Collection[str], checks_services: Callable[[], bool]
) -> Iterator[MappingFault]:
    row = TASK_TYPES[run.task_type]
    for need in row.needs(run.inputs):
        if need.field in row.seeds and need.field not in mapped:
            continue  # The seed was drawn, not requested.
        for provider, options in _providers(run):
            able = task_capabilities(provider, run.task_type, options, run.inputs)
            is_unmet = not need.any_of & able
            # A key in `config` is never mapped: what it needs was not checked here before.
            is_key = "." in need.field
            was_unmet = not is_key and not need.any_of & PROVIDERS[provider].capabilities
            if is_unmet != was_unmet and not checks_services():
                is_unmet = was_unmet
            if is_unmet:
                wanted = " or ".join(sorted(need.any_of))
                yield MappingFault((need.field,), f"{provider} lacks the capability {wanted}")


def _beyond_the_service(
    run: TaskRun, mapped: Collection[str], checks_services: Callable[[], bool]
) -> Iterator[MappingFault]:
    for provider, options in _providers(run):
        for fault in remote_faults(provider, RemoteRequest(run.task_type, options, run.inputs)):
            if fault.place[0] in mapped and checks_services():
                yield MappingFault(fault.place[:1], fault.message)


def _beyond_the_model(run: TaskRun, mapped: Collection[str]) -> Iterator[MappingFault]:
    for name in SIDES:
        if name in mapped and (fault := side_fault(run.inputs[name], run.inputs.get(MAX_SIDE_PX))):
            yield MappingFault((name,), fault)
    for name in LORA_WEIGHTS:
        if name in mapped and (fault := weight_fault(run.inputs[name])):
            yield MappingFault((name,), fault)
