"""Choice of a task's provider, and checks that it can do what the request asks for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from api_gateway.errors import Fault
from api_gateway.tasks.schemas.create import CreateTaskBase
from shared.contracts.capabilities import Need
from shared.contracts.enums import OutputFormat, ProviderType, TaskQueue, TaskType
from shared.contracts.fal_apps.table import named_app
from shared.contracts.providers import PROVIDERS, task_capabilities, task_queue
from shared.contracts.task_types.table import TASK_TYPES

_NEEDED: dict[ProviderType, tuple[str, ...]] = {
    ProviderType.FAL_SHOOTIFY_REFINER: ("fal_app_id",),
    ProviderType.AI_CORE: ("ai_provider", "model"),
}
"""Required fields of a provider's configuration; its schema checks one that is given. Each
task type that fal_standard serves has a default app, or names one in its request."""


@dataclass(frozen=True)
class ProviderDecision:
    """The provider and the task queue of a request."""

    provider: ProviderType
    queue: TaskQueue
    faults: list[Fault]
    warnings: list[str]
    """Missing fields of a default provider, which the request does not name."""


def choose_provider(
    task_type: TaskType, body: CreateTaskBase, fields: Mapping[str, Any]
) -> ProviderDecision:
    """Choose the provider that a request names, or its type's default, and check it.

    Args:
        task_type: the task's type.
        body: the request.
        fields: the type's own fields as given, mapped ones and `config` included.
    """
    named = body.provider_type or (body.provider_config and body.provider_config.provider_type)
    provider = named or TASK_TYPES[task_type].default_provider
    queue, faults = _check_provider(task_type, provider, body, fields)
    missing, warnings = _missing_fields(task_type, provider, body, fields)
    return ProviderDecision(provider, queue, faults + missing, warnings)


def _check_provider(
    task_type: TaskType, provider: ProviderType, body: CreateTaskBase, fields: Mapping[str, Any]
) -> tuple[TaskQueue, list[Fault]]:
    row = PROVIDERS[provider]
    if task_type not in row.queues:
        return TaskQueue.INFERENCE, [_does_not_serve("provider_type", provider, task_type)]
    needs = TASK_TYPES[task_type].needs(fields)
    faults = _check_fallback(task_type, body, fields, needs)
    options = options_of(body.provider_config)
    able = task_capabilities(provider, task_type, options, fields)
    doer = _doer(provider, options, fields)
    faults += [
        Fault(tuple(need.field.split(".")), f"{doer} lacks the capability {_wanted(need)}")
        for need in needs
        if not need.any_of & able
    ]
    faults += [
        Fault(("active_provider_capabilities",), f"{provider} lacks the capability {name}")
        for name in body.active_provider_capabilities or []
        if name not in row.capabilities | able
    ]
    config: Mapping[str, Any] = fields.get("config") or {}
    if (config.get("output_format") or OutputFormat.PNG) != OutputFormat.PNG:
        faults += _check_output_format(provider, body.fallback_provider_type)
    usual = task_queue(provider, task_type, config)
    queue, queue_faults = _check_queue(task_type, usual, body.queue_name)
    return queue, faults + queue_faults


def options_of(config: BaseModel | None) -> dict[str, Any]:
    """Return a provider's configuration as its worker gets it."""
    return {} if config is None else config.model_dump(mode="json")


def _wanted(need: Need) -> str:
    return " or ".join(sorted(need.any_of))


def _doer(provider: ProviderType, options: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Return the name of a provider, with the app that the request names."""
    app = named_app(options, fields) if provider is ProviderType.FAL_STANDARD else None
    return f"{provider} with {app}" if app else provider


def _check_fallback(
    task_type: TaskType, body: CreateTaskBase, fields: Mapping[str, Any], needs: list[Need]
) -> list[Fault]:
    fallback = body.fallback_provider_type
    if fallback is None:
        return []
    row = PROVIDERS[fallback]
    if task_type not in row.queues:
        return [_does_not_serve("fallback_provider_type", fallback, task_type)]
    options = options_of(body.fallback_provider_config)
    able = task_capabilities(fallback, task_type, options, fields)
    doer = _doer(fallback, options, fields)
    return [
        Fault(
            ("fallback_provider_type",),
            f"{doer} lacks the capability {_wanted(need)}, which {need.field!r} needs",
        )
        for need in needs
        if not need.any_of & able
    ] + [
        Fault(("fallback_provider_capabilities",), f"{fallback} lacks the capability {name}")
        for name in body.fallback_provider_capabilities or []
        if name not in row.capabilities | able
    ]


def _does_not_serve(field: str, provider: ProviderType, task_type: TaskType) -> Fault:
    able = ", ".join(name for name, row in PROVIDERS.items() if task_type in row.queues)
    return Fault((field,), f"{provider} does not serve {task_type}; these do: {able}")


def _check_output_format(*providers: ProviderType | None) -> list[Fault]:
    return [
        Fault(
            ("config", "output_format"),
            f"images of {provider} are stored as png; only local workers write webp and jpeg",
        )
        for provider in providers
        if provider is not None and PROVIDERS[provider].is_remote
    ]


def _check_queue(
    task_type: TaskType, default: TaskQueue, asked: str | None
) -> tuple[TaskQueue, list[Fault]]:
    if asked is None:
        return default, []
    able = {row.queues[task_type] for row in PROVIDERS.values() if task_type in row.queues}
    if TASK_TYPES[task_type].is_tiled:  # that queue's workers have the remote editor alone
        able.discard(TaskQueue.INFERENCE_CPU)
    able.add(default)
    if asked in able:
        return TaskQueue(asked), []
    names = ", ".join(sorted(able))
    message = f"queue {asked!r} does not serve {task_type}; these do: {names}"
    return default, [Fault(("queue_name",), message)]


def _missing_fields(
    task_type: TaskType, provider: ProviderType, body: CreateTaskBase, fields: Mapping[str, Any]
) -> tuple[list[Fault], list[str]]:
    """Return the fields that the configurations of a request's providers lack.

    Returns:
        Faults of providers that the request names, and warnings about one that it does not name.
    """
    faults: list[Fault] = []
    warnings: list[str] = []
    if body.provider_config is None:
        is_app_named = named_app({}, fields) is not None
        for name in _NEEDED.get(provider, ()):
            if name == "fal_app_id" and is_app_named:
                continue
            fault = _missing("provider_config", name, task_type, provider)
            if body.provider_type is not None:
                faults.append(fault)
            else:
                warnings.append(f"{'.'.join(map(str, fault.loc))} is missing: {fault.message}.")
    fallback = body.fallback_provider_type
    if fallback is not None and body.fallback_provider_config is None:
        faults += [
            _missing("fallback_provider_config", name, task_type, fallback)
            for name in _NEEDED.get(fallback, ())
        ]
    return faults, warnings


def _missing(config: str, name: str, task_type: TaskType, provider: ProviderType) -> Fault:
    message = f"{provider} needs it for {task_type}; give {config} with {name}"
    return Fault((config, name), message, "missing")
