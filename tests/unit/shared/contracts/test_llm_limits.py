"""Questions that a language model cannot be asked are refused by place, before they are sent."""

from typing import Any

import pytest

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.remote_limits.checks import (
    known_config_keys,
    remote_config_keys,
    remote_faults,
)
from shared.contracts.remote_limits.request import MAPPED, RemoteRequest

GOOD = {"type": "object", "properties": {"colour": {"type": "string"}}}
WIDE = {"type": "object", "properties": {f"f{index}": {} for index in range(25)}}
MANY = {"input_images": ["a"] * 21}


def _request(vendor: str, options: dict[str, Any], fields: dict[str, Any]) -> RemoteRequest:
    chosen = {"ai_provider": vendor, "model": "m", "temperature": 0.7} | options
    return RemoteRequest(TaskType.LLM_INTERACTION, chosen, fields)


def _faults(vendor: str, options: dict[str, Any], fields: dict[str, Any]) -> dict[str, str]:
    found = remote_faults(ProviderType.AI_CORE, _request(vendor, options, fields))
    return {".".join(fault.place): fault.message for fault in found}


def _schema(schema: Any) -> dict[str, Any]:
    return {"config": {"output_schema": schema}}


@pytest.mark.parametrize(
    ("vendor", "options", "fields", "place", "told"),
    [
        ("openai", {}, MANY, "input_images", "at most 20"),
        ("openai", {}, _schema("x"), "config.output_schema", "an object"),
        ("openai", {}, _schema([]), "config.output_schema", "an object"),
        ("openai", {}, _schema({"type": "array"}), "config.output_schema", "describe an object"),
        ("anthropic", {}, _schema(WIDE), "config.output_schema", "anthropic takes at most 24"),
        ("anthropic", {"temperature": 1.1}, {}, "provider_config.temperature", "at most 1"),
        ("openai", {"max_tokens": 128_001}, {}, "provider_config.max_tokens", "to 128000"),
        ("gemini", {"model": "../other"}, {}, "provider_config.model", "no name of a model"),
        ("gemini", {"model": "a/b"}, {}, "provider_config.model", "no name of a model"),
        ("ollama", {"model": "a b"}, {}, "provider_config.model", "no name of a model"),
        ("ollama", {"model": "m" * 201}, {}, "provider_config.model", "no name of a model"),
    ],
)
def test_what_cannot_be_asked_is_told_by_place(
    vendor: str, options: dict[str, Any], fields: dict[str, Any], place: str, told: str
) -> None:
    found = _faults(vendor, options, fields)
    assert list(found) == [place]
    assert told in found[place]


@pytest.mark.parametrize(
    ("vendor", "options", "fields"),
    [
        ("openai", {}, {}),
        ("openai", {"temperature": 2, "max_tokens": None}, _schema(WIDE)),
        ("anthropic", {"temperature": 1, "model": "claude-opus-4-8"}, _schema(GOOD)),
        ("anthropic", {}, _schema(MAPPED)),
        ("gemini", {"model": "gemini-3.1-pro-preview"}, _schema(GOOD)),
        ("ollama", {"model": "hf.co/acme/gpt-oss:120b-cloud"}, {"input_images": MAPPED}),
        ("ollama", {}, {"input_images": ["a"] * 20, "config": {"output_schema": None}}),
    ],
)
def test_anything_else_is_admitted(
    vendor: str, options: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert _faults(vendor, options, fields) == {}


def test_the_schema_is_the_one_key_of_config() -> None:
    keys = frozenset({"output_schema"})
    assert remote_config_keys(ProviderType.AI_CORE, _request("openai", {}, {})) == keys
    assert keys <= known_config_keys(TaskType.LLM_INTERACTION)
