"""Checks of a request against the limits of the remote services that may do it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from api_gateway.errors import Fault
from api_gateway.tasks.checks.providers import options_of
from api_gateway.tasks.ignored_fields import engine_config
from api_gateway.tasks.schemas.create import CreateTaskBase
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.providers import PROVIDERS
from shared.contracts.remote_limits.checks import remote_config_keys, remote_faults
from shared.contracts.remote_limits.request import PROVIDER_CONFIG, RemoteRequest
from shared.db.repositories.events import IDS_IN_CONFIG

_READ_ELSEWHERE = frozenset({"fal_app_id", "output_format"})
"""Keys of `config` that the gateway itself reads."""


def check_remote_request(
    task_type: TaskType,
    provider: ProviderType,
    body: CreateTaskBase,
    fields: Mapping[str, Any],
) -> list[Fault]:
    """Return what a request's provider, and its fallback, cannot do.

    Args:
        task_type: the task's type.
        provider: the provider, chosen by the request or by default.
        body: the request.
        fields: the type's own fields as given, mapped ones and `config` included.
    """
    faults: list[Fault] = []
    if task_type in PROVIDERS[provider].queues:
        request = RemoteRequest(task_type, options_of(body.provider_config), fields)
        faults += [Fault(each.place, each.message) for each in remote_faults(provider, request)]
    fallback = body.fallback_provider_type
    if fallback is not None and task_type in PROVIDERS[fallback].queues:
        request = RemoteRequest(task_type, options_of(body.fallback_provider_config), fields)
        for fault in remote_faults(fallback, request):
            if fault.place[0] == PROVIDER_CONFIG:
                place = (f"fallback_{PROVIDER_CONFIG}", *fault.place[1:])
                faults.append(Fault(place, fault.message))
            else:
                name = ".".join(fault.place)
                message = f"{fallback} cannot do this: {name} {fault.message}"
                faults.append(Fault(("fallback_provider_type",), message))
    return faults


def unread_config_warnings(
    task_type: TaskType,
    provider: ProviderType,
    body: CreateTaskBase,
    fields: Mapping[str, Any],
) -> Iterator[str]:
    """Yield a warning for each key of `config` that does not reach the request's provider.

    Keys that no provider reads are reported with the other unknown fields.
    """
    if task_type not in PROVIDERS[provider].queues:
        return
    request = RemoteRequest(task_type, options_of(body.provider_config), fields)
    read = remote_config_keys(provider, request)
    if read is None:
        return
    for name in request.config:
        if name in engine_config(task_type) - read - _READ_ELSEWHERE - IDS_IN_CONFIG:
            yield f"config.{name} was ignored: {provider} does not take it with this app or model."
