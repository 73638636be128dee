"""The registry of adapters: one row for each outside provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from provider_worker.adapters import Adapter
from provider_worker.fal.adapter import FalAdapter
from provider_worker.fashn.adapter import FashnAdapter
from provider_worker.google.adapter import VertexAdapter
from provider_worker.llm.adapter import AiCoreAdapter
from provider_worker.llm.settings import LlmSettings, vendor_variables
from provider_worker.magnific.adapter import MagnificAdapter
from provider_worker.media import MediaKeeper
from provider_worker.settings import (
    FalSettings,
    FashnSettings,
    MagnificSettings,
    SubmissionSettings,
    VertexSettings,
)
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore

_S = TypeVar("_S", bound=SubmissionSettings | LlmSettings)


@dataclass(frozen=True)
class Parts:
    """Parts that every adapter is built from.

    Attributes:
        objects: the object store.
        media: stores results.
        limits: limits of input pictures.
    """

    objects: ObjectStore
    media: MediaKeeper
    limits: PictureLimits = field(default_factory=PictureLimits)


@dataclass(frozen=True)
class Row(Generic[_S]):
    """One provider.

    Attributes:
        settings: reads its credentials and limits from the environment.
        adapter: builds its adapter.
        variables: the environment variables of which it needs one; none: that of its key.
    """

    settings: type[_S]
    adapter: Callable[[_S, Parts], Adapter]
    variables: Sequence[str] = ()

    @property
    def key_variables(self) -> Sequence[str]:
        """The environment variables of which it needs one."""
        return self.variables or [f"{self.settings.model_config.get('env_prefix', '')}KEY"]

    def build(self, parts: Parts) -> Adapter | None:
        """Build the adapter; none without credentials."""
        settings = self.settings()  # pyright: ignore[reportCallIssue] -- each has its base_url
        return self.adapter(settings, parts) if settings.is_configured else None


_FAL = Row(
    FalSettings,
    lambda settings, parts: FalAdapter(settings, parts.objects, parts.media, parts.limits),
)
_FASHN = Row(
    FashnSettings,
    lambda settings, parts: FashnAdapter(settings, parts.objects, parts.media, parts.limits),
)
_MAGNIFIC = Row(
    MagnificSettings,
    lambda settings, parts: MagnificAdapter(settings, parts.objects, parts.media, parts.limits),
)
_VERTEX = Row(
    VertexSettings,
    lambda settings, parts: VertexAdapter(settings, parts.objects, parts.media, parts.limits),
    variables=("SARTIQ_VERTEX_KEY", "SARTIQ_VERTEX_PROJECT"),
)
_AI_CORE = Row(
    LlmSettings,
    lambda settings, parts: AiCoreAdapter(settings, parts.objects, parts.limits),
    variables=vendor_variables(),
)
ROWS: Sequence[Row[Any]] = (_FAL, _FASHN, _MAGNIFIC, _VERTEX, _AI_CORE)
KEY_VARIABLES = tuple(name for row in ROWS for name in row.key_variables)
"""The variables of which a provider worker needs at least one."""


def build_adapters(parts: Parts) -> list[Adapter]:
    """Build the adapters of the providers that have credentials."""
    return [adapter for row in ROWS if (adapter := row.build(parts))]
