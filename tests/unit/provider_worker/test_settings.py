"""A provider without credentials is not served."""

from typing import Any

import pytest

from provider_worker.downloads import MediaLimits
from provider_worker.media import MediaKeeper
from provider_worker.registry import KEY_VARIABLES, ROWS, Parts, build_adapters
from provider_worker.settings import VertexSettings
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
        ("SARTIQ_VERTEX_KEY", TaskQueue.PROVIDER_VERTEX),
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


async def test_a_project_on_vertex_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_VERTEX_PROJECT", "our-project")
    (adapter,) = build_adapters(parts())
    assert adapter.queue == TaskQueue.PROVIDER_VERTEX
    await adapter.close()
    monkeypatch.setenv("SARTIQ_VERTEX_KEY", "secret-key")
    with pytest.raises(ValueError, match="not both") as caught:
        build_adapters(parts())
    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("access", "origin"),
    [
        ({"key": "k"}, "https://generativelanguage.googleapis.com"),
        ({"key": "k", "is_express": True}, "https://aiplatform.googleapis.com"),
        ({"project": "p"}, "https://aiplatform.googleapis.com"),
        (
            {"project": "p", "location": "europe-west4"},
            "https://europe-west4-aiplatform.googleapis.com",
        ),
        ({"project": "p", "base_url": "http://127.0.0.1:8700"}, "http://127.0.0.1:8700/"),
    ],
)
def test_the_origin_of_gemini_follows_from_its_access(access: dict[str, Any], origin: str) -> None:
    assert VertexSettings.model_validate(access).origin == origin
