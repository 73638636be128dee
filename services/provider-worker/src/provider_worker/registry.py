"""The registry of adapters: one row for each outside provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from provider_worker.adapters import Adapter
from provider_worker.fal.adapter import FalAdapter
from provider_worker.fashn.adapter import FashnAdapter
from provider_worker.google.adapter import VertexAdapter
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

_S = TypeVar("_S", bound=SubmissionSettings)


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
    """

    settings: type[_S]
    adapter: Callable[[_S, Parts], Adapter]

    @property
    def key_variable(self) -> str:
        """The environment variable of its key."""
        return f"{self.settings.model_config.get('env_prefix', '')}KEY"

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
)
ROWS: Sequence[Row[Any]] = (_FAL, _FASHN, _MAGNIFIC, _VERTEX)
KEY_VARIABLES = tuple(row.key_variable for row in ROWS)
"""The variables with the keys of the providers."""
CREDENTIALS = (*KEY_VARIABLES, "SARTIQ_VERTEX_PROJECT")
"""The variables of which a provider worker needs at least one."""


def build_adapters(parts: Parts) -> list[Adapter]:
    """Build the adapters of the providers that have credentials."""
    return [adapter for row in ROWS if (adapter := row.build(parts))]
