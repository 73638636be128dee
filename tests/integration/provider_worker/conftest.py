"""The sandbox, and the worker's activities in Temporal's activity environment."""

from collections.abc import AsyncIterator

import pytest

from provider_worker.activities import RemoteProviders
from provider_worker.wire import polling
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.remote_work import fal_activities
from tests.fixtures.sandbox import OpenSandbox, open_sandbox


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "_BACKOFF_S", 0.01)


@pytest.fixture(scope="module")
async def shared_sandbox() -> AsyncIterator[OpenSandbox]:
    """A sandbox for all tests of a file: its start and its end take longer than a test."""
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture
async def fal(shared_sandbox: OpenSandbox) -> OpenSandbox:
    """The shared sandbox, without work and faults of the tests before."""
    await shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def objects() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
async def activities(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> AsyncIterator[RemoteProviders]:
    async with fal_activities(fal, objects) as built:
        yield built
