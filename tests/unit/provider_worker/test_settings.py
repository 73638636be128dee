import pytest

from provider_worker.__main__ import build_adapters
from provider_worker.settings import FalSettings
from shared.contracts.enums import TaskQueue
from tests.fakes.object_store import MemoryObjectStore


async def test_a_provider_without_a_key_has_no_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SARTIQ_FAL_KEY", raising=False)
    assert build_adapters(MemoryObjectStore(), FalSettings()) == []
    monkeypatch.setenv("SARTIQ_FAL_KEY", "secret-key")
    settings = FalSettings()
    assert "secret-key" not in repr(settings)
    (adapter,) = build_adapters(MemoryObjectStore(), settings)
    assert adapter.queue is TaskQueue.PROVIDER_FAL
    await adapter.close()
