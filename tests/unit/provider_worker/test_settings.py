"""A provider without credentials is not served."""

from typing import Any

import pytest

from provider_worker.downloads import MediaLimits
from provider_worker.llm.chats import Chats
from provider_worker.llm.settings import LlmSettings
from provider_worker.media import MediaKeeper
from provider_worker.registry import KEY_VARIABLES, ROWS, Parts, build_adapters
from provider_worker.settings import VertexSettings
from shared.contracts.enums import AiProvider, TaskQueue
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
        ("SARTIQ_OPENAI_KEY", TaskQueue.PROVIDER_LLM),
        ("SARTIQ_ANTHROPIC_KEY", TaskQueue.PROVIDER_LLM),
        ("SARTIQ_GEMINI_KEY", TaskQueue.PROVIDER_LLM),
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


async def test_ollama_needs_an_address_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_OLLAMA_KEY", "secret-key")
    assert build_adapters(parts()) == []
    monkeypatch.delenv("SARTIQ_OLLAMA_KEY")
    monkeypatch.setenv("SARTIQ_OLLAMA_BASE_URL", "http://127.0.0.1:11434")
    assert "SARTIQ_OLLAMA_BASE_URL" in KEY_VARIABLES
    (adapter,) = build_adapters(parts())
    assert adapter.queue == TaskQueue.PROVIDER_LLM
    await adapter.close()


async def test_only_vendors_with_credentials_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_OPENAI_KEY", "secret-key")
    monkeypatch.setenv("SARTIQ_OPENAI_TIMEOUT_S", "7")
    settings = LlmSettings()
    chats = Chats(settings)
    assert chats.served == [AiProvider.OPENAI]
    assert chats.serves(AiProvider.OPENAI)
    assert not chats.serves(AiProvider.OLLAMA)
    assert chats.default_model(AiProvider.OPENAI) == "gpt-4.1"
    assert settings.longest_timeout_s == 7
    await chats.close()
