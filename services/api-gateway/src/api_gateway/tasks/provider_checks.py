"""Whether the provider that a request names, or the default one, can do what it asks for."""

from collections.abc import Mapping
from typing import Any

from api_gateway.errors import Fault
from api_gateway.tasks.schemas.create import CreateTaskBase
from shared.contracts.capabilities import Need
from shared.contracts.enums import OutputFormat, ProviderType, TaskQueue, TaskType
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.table import TASK_TYPES


def choose_provider(
    task_type: TaskType, body: CreateTaskBase, fields: Mapping[str, Any]
) -> tuple[ProviderType, TaskQueue, list[Fault]]:
    """The provider and the task queue of a request, and what is wrong with them.

    Args:
        task_type: the task's type.
        body: the request.
        fields: the type's own fields as given, mapped ones and `config` included.
    """
    named = body.provider_type or (body.provider_config and body.provider_config.provider_type)
    provider = named or TASK_TYPES[task_type].default_provider
    row = PROVIDERS[provider]
    if task_type not in row.queues:
        able = ", ".join(name for name, other in PROVIDERS.items() if task_type in other.queues)
        message = f"{provider} does not serve {task_type}; these do: {able}"
        return provider, TaskQueue.INFERENCE, [Fault(("provider_type",), message)]
    needs = TASK_TYPES[task_type].needs(fields)
    faults = _fallback(task_type, body, needs)
    for need in needs:
        if not need.any_of & row.capabilities:
            wanted = " or ".join(sorted(need.any_of))
            faults.append(Fault((need.field,), f"{provider} lacks the capability {wanted}"))
    faults += [
        Fault(("active_provider_capabilities",), f"{provider} lacks the capability {name}")
        for name in body.active_provider_capabilities or []
        if name not in row.capabilities
    ]
    config: Mapping[str, Any] = fields.get("config") or {}
    if (config.get("output_format") or OutputFormat.PNG) != OutputFormat.PNG:
        faults += _output_format(provider, body.fallback_provider_type)
    queue, queue_faults = _queue(task_type, row.queues[task_type], body.queue_name)
    return provider, queue, faults + queue_faults


def _fallback(task_type: TaskType, body: CreateTaskBase, needs: list[Need]) -> list[Fault]:
    fallback = body.fallback_provider_type
    if fallback is None:
        return []
    row = PROVIDERS[fallback]
    if task_type not in row.queues:
        able = ", ".join(name for name, other in PROVIDERS.items() if task_type in other.queues)
        message = f"{fallback} does not serve {task_type}; these do: {able}"
        return [Fault(("fallback_provider_type",), message)]
    unmet = [need for need in needs if not need.any_of & row.capabilities]
    return [
        Fault(
            ("fallback_provider_type",),
            f"{fallback} lacks the capability {' or '.join(sorted(need.any_of))}, which "
            f"{need.field!r} needs",
        )
        for need in unmet
    ] + [
        Fault(("fallback_provider_capabilities",), f"{fallback} lacks the capability {name}")
        for name in body.fallback_provider_capabilities or []
        if name not in row.capabilities
    ]


def _output_format(*providers: ProviderType | None) -> list[Fault]:
    return [
        Fault(
            ("config", "output_format"),
            f"pictures of {provider} are stored as png; local workers know webp and jpeg as well",
        )
        for provider in providers
        if provider is not None and PROVIDERS[provider].is_remote
    ]


def _queue(
    task_type: TaskType, default: TaskQueue, asked: str | None
) -> tuple[TaskQueue, list[Fault]]:
    if asked is None:
        return default, []
    able = {row.queues[task_type] for row in PROVIDERS.values() if task_type in row.queues}
    if asked in able:
        return TaskQueue(asked), []
    names = ", ".join(sorted(able))
    message = f"queue {asked!r} does not serve {task_type}; these do: {names}"
    return default, [Fault(("queue_name",), message)]
