"""A provider without credentials is not served."""

import pytest

from provider_worker.downloads import MediaLimits
from provider_worker.media import MediaKeeper
from provider_worker.registry import KEY_VARIABLES, ROWS, Parts, build_adapters
from shared.contracts.enums import TaskQueue
from shared.egress.guard import STRICT
from tests.fakes.object_store import MemoryObjectStore


def parts() -> Parts:
    objects = MemoryObjectStore()
    return Parts(objects, MediaKeeper(objects, STRICT, MediaLimits()))


def test_without_credentials_there_is_no_adapter() -> None:
    assert build_adapters(parts()) == []


@pytest.mark.parametrize(
    ("variable", "queue"),
    [
        ("SARTIQ_FAL_KEY", TaskQueue.PROVIDER_FAL),
        ("SARTIQ_FASHN_KEY", TaskQueue.PROVIDER_FASHN),
        ("SARTIQ_MAGNIFIC_KEY", TaskQueue.PROVIDER_FREEPIK),
    ],
)
async def test_a_key_is_enough(
    monkeypatch: pytest.MonkeyPatch, variable: str, queue: TaskQueue
) -> None:
    monkeypatch.setenv(variable, "secret-key")
    assert "secret-key" not in repr([row.settings() for row in ROWS])
    (adapter,) = build_adapters(parts())
    assert variable in KEY_VARIABLES
    assert adapter.queue == queue
    await adapter.close()
