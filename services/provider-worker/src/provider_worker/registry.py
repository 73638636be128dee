"""The registry of adapters: one row for each outside provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from provider_worker.adapters import Adapter
from provider_worker.fal.adapter import FalAdapter
from provider_worker.pictures import PictureDownloader
from provider_worker.settings import FalSettings, ProviderSettings
from shared.storage.object_store import ObjectStore

_S = TypeVar("_S", bound=ProviderSettings)


@dataclass(frozen=True)
class Parts:
    """What every adapter is built from.

    Attributes:
        objects: the object store.
        pictures: stores results.
    """

    objects: ObjectStore
    pictures: PictureDownloader


@dataclass(frozen=True)
class Row(Generic[_S]):
    """One provider.

    Attributes:
        settings: reads its credentials and limits from the environment.
        adapter: builds its adapter.
    """

    settings: Callable[[], _S]
    adapter: Callable[[_S, Parts], Adapter]

    def build(self, parts: Parts) -> Adapter | None:
        """Build the adapter; none without credentials."""
        settings = self.settings()
        return self.adapter(settings, parts) if settings.is_configured else None


ROWS: Sequence[Row[FalSettings]] = (
    Row(FalSettings, lambda settings, parts: FalAdapter(settings, parts.objects, parts.pictures)),
)
KEY_VARIABLES = ("SARTIQ_FAL_KEY",)
"""The variables of which a provider worker needs at least one."""


def build_adapters(parts: Parts) -> list[Adapter]:
    """Build the adapters of the providers that have credentials."""
    return [adapter for row in ROWS if (adapter := row.build(parts))]
