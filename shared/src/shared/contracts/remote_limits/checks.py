"""The limits of every remote provider, by its type."""

from collections.abc import Iterator

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fashn_options import OPTIONS
from shared.contracts.providers import PROVIDERS
from shared.contracts.remote_limits.ai_core import LLM_CONFIG_KEYS, ai_core_faults
from shared.contracts.remote_limits.fal import fal_config_keys, fal_faults, known_fal_config_keys
from shared.contracts.remote_limits.fashn import fashn_config_keys, fashn_faults
from shared.contracts.remote_limits.magnific import magnific_faults
from shared.contracts.remote_limits.request import RemoteFault, RemoteRequest
from shared.contracts.remote_limits.vertex import vertex_config_keys, vertex_faults

_FAL = frozenset(
    {
        ProviderType.FAL_STANDARD,
        ProviderType.FAL_SHOOTIFY_REFINER,
        ProviderType.FAL_GARMENT_FIXER,
    }
)
_MAGNIFIC = frozenset({ProviderType.FREEPIK_MAGNIFIC, ProviderType.FREEPIK_MAGNIFIC_PRECISION})


def remote_faults(provider: ProviderType, request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield what a provider cannot do of a request for a task type that it serves."""
    if provider in _FAL:
        yield from fal_faults(provider, request)
    elif provider is ProviderType.FASHN_STANDARD:
        yield from fashn_faults(request)
    elif provider in _MAGNIFIC:
        yield from magnific_faults(provider, request)
    elif provider is ProviderType.VERTEX:
        yield from vertex_faults(request)
    elif provider is ProviderType.AI_CORE:
        yield from ai_core_faults(request)


def remote_config_keys(provider: ProviderType, request: RemoteRequest) -> frozenset[str] | None:
    """Return the keys of `config` that reach a provider; none if that is not known."""
    if provider is ProviderType.FAL_STANDARD:
        return fal_config_keys(request)
    if provider is ProviderType.FASHN_STANDARD:
        return fashn_config_keys(request)
    if provider is ProviderType.VERTEX:
        return vertex_config_keys(request.task_type)
    if provider in _FAL or provider in _MAGNIFIC:
        return frozenset()
    if provider is ProviderType.AI_CORE:
        return LLM_CONFIG_KEYS
    return None


def known_config_keys(task_type: TaskType) -> frozenset[str]:
    """Return the keys of a task type's `config` that some remote provider takes."""
    found = known_fal_config_keys(task_type)
    if task_type in PROVIDERS[ProviderType.VERTEX].queues:
        found |= vertex_config_keys(task_type)
    if task_type is TaskType.EDITING:
        found |= {"model_name"}.union(*OPTIONS.values())
    return found
