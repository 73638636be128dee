"""What a provider needs of its configuration, known when a task is created. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from api_gateway.errors import Fault
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.own_providers import LocalProviderConfig
from shared.contracts.enums import ProviderType, TaskType
from shared.settings import ModelSettings

_NEEDED: dict[ProviderType, tuple[str, ...]] = {
    ProviderType.FAL_STANDARD: ("fal_app_id",),
    ProviderType.FAL_SHOOTIFY_REFINER: ("fal_app_id",),
    ProviderType.AI_CORE: ("ai_provider", "model"),
}
"""What a configuration must have; one that is given is held against its schema."""
_HAS_DEFAULT_APP = frozenset({TaskType.GENERATION, TaskType.EXPERIMENTAL_FAL})
"""fal_standard does these without an app in its configuration."""


def missing_fields(
    task_type: TaskType, provider: ProviderType, body: CreateTaskBase, fields: Mapping[str, Any]
) -> tuple[list[Fault], list[str]]:
    """Return what the providers of a request lack.

    Args:
        task_type: the task's type.
        provider: who is to do it.
        body: the request.
        fields: the type's own fields as given, mapped ones included.

    Returns:
        What is wrong, of providers that the request names; and in words, of one that it does not.
    """
    faults: list[Fault] = []
    warnings: list[str] = []
    if body.provider_config is None and not fields.get("fal_app_id"):
        for name in _needed(task_type, provider):
            fault = _fault("provider_config", name, task_type, provider)
            if body.provider_type is not None:
                faults.append(fault)
            else:
                warnings.append(f"{'.'.join(map(str, fault.loc))} is missing: {fault.message}.")
    fallback = body.fallback_provider_type
    if fallback is not None and body.fallback_provider_config is None:
        faults += [
            _fault("fallback_provider_config", name, task_type, fallback)
            for name in _needed(task_type, fallback)
        ]
    return faults, warnings


def _needed(task_type: TaskType, provider: ProviderType) -> tuple[str, ...]:
    if provider is ProviderType.FAL_STANDARD and task_type in _HAS_DEFAULT_APP:
        return ()
    return _NEEDED.get(provider, ())


def _fault(config: str, name: str, task_type: TaskType, provider: ProviderType) -> Fault:
    message = f"{provider} needs it for {task_type}; give {config} with {name}"
    return Fault((config, name), message, "missing")


def missing_models(body: CreateTaskBase, model: ModelSettings) -> Iterator[Fault]:
    """Return which models a request names that are not there."""
    for name in ("provider_config", "fallback_provider_config"):
        config = getattr(body, name)
        if not isinstance(config, LocalProviderConfig):
            continue
        asked = config.rembg_model
        if "rembg_model" in config.model_fields_set and asked not in model.cutout_models:
            there = ", ".join(model.cutout_models)
            message = (
                f"the model {asked} is not installed here; name one that is ({there}), or leave "
                "the field out"
            )
            yield Fault((name, "rembg_model"), message)
