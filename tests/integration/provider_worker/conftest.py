"""A fake fal, and the worker's activities in Temporal's activity environment."""

from collections.abc import AsyncIterator

import pytest

from provider_worker.activities import RemoteProviders
from provider_worker.wire import polling
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.remote_work import fal_activities
from tests.loopback.fal import LoopbackFal, open_fal


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "_BACKOFF_S", 0.01)


@pytest.fixture
async def fal() -> AsyncIterator[LoopbackFal]:
    async with open_fal() as opened:
        yield opened


@pytest.fixture
def objects() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
async def activities(
    fal: LoopbackFal, objects: MemoryObjectStore
) -> AsyncIterator[RemoteProviders]:
    async with fal_activities(fal, objects) as built:
        yield built
