"""Encoding of prompts: cached, and truncated to the encoder's length."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from inference_worker.engine.model_store import ModelStore
from inference_worker.settings import InferenceSettings
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.encode import PromptEncoder


@pytest.fixture(scope="module")
def parts(tiny_flux_folder: Path) -> FluxComponents:
    return FluxComponents(
        tiny_flux_folder, ModelStore(InferenceSettings()).open(str(tiny_flux_folder)).parts
    )


def test_prompt_is_encoded_once(parts: FluxComponents) -> None:
    encoder = PromptEncoder(parts)
    assert encoder.encode("a red dress") is encoder.encode("a red dress")


def test_oldest_prompt_is_evicted(parts: FluxComponents) -> None:
    encoder = PromptEncoder(parts, num_remembered=2)
    first, second = encoder.encode("a"), encoder.encode("b")
    encoder.encode("a")
    encoder.encode("c")
    assert encoder.encode("a") is first
    assert encoder.encode("b") is not second


def test_length_is_the_tokenizers_or_the_settings(parts: FluxComponents) -> None:
    assert PromptEncoder(parts).encode("a").prompt_embeds.shape == (1, 24, 32)
    assert PromptEncoder(parts, max_tokens=8).encode("a").prompt_embeds.shape == (1, 8, 32)


def test_cutting_a_prompt_is_logged_without_its_text(parts: FluxComponents) -> None:
    with capture_logs() as logs:
        PromptEncoder(parts).encode("red " * 40)
    (entry,) = logs
    expected: dict[str, Any] = {"event": "prompt_cut", "max_tokens": 24, "log_level": "warning"}
    assert entry.items() >= expected.items()
    assert "red" not in str(entry)


def test_prompt_truncation_is_reported_while_cached(parts: FluxComponents) -> None:
    encoder = PromptEncoder(parts, num_remembered=2)
    long = [f"{colour} " * 40 for colour in ("red", "blue", "green")]
    for prompt in ("a", *long[:2]):
        encoder.encode(prompt)

    said = encoder.truncation_warning(long[0])
    assert said is not None
    assert "the model reads the first 24" in said
    assert "red" not in said
    assert encoder.truncation_warning("a") is None
    encoder.encode(long[2])
    assert [encoder.truncation_warning(prompt) is not None for prompt in long] == [
        False,
        True,
        True,
    ]


def test_using_a_prompt_keeps_its_truncation_cached(parts: FluxComponents) -> None:
    encoder = PromptEncoder(parts, num_remembered=2)
    used, other, third = (f"{colour} " * 40 for colour in ("red", "blue", "green"))
    for prompt in (used, other, used, third):
        encoder.encode(prompt)
    assert [encoder.truncation_warning(prompt) is not None for prompt in (used, other, third)] == [
        True,
        False,
        True,
    ]


def test_prompt_truncation_does_not_depend_on_loras(parts: FluxComponents) -> None:
    encoder = PromptEncoder(parts, num_remembered=2)
    long = "red " * 40
    for variant in ("a", "b", "c"):
        encoder.encode(long, variant)
    assert encoder.truncation_warning(long) is not None
    encoder.encode("a")
    encoder.encode("b")
    assert encoder.truncation_warning(long) is None
