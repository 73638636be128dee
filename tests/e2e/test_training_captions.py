"""Trainings whose pictures a language model captions, through the whole platform."""

import asyncio
import json
from typing import Any

import pytest

from local_stack.drawn_garments import draw_dresses
from provider_worker.sandbox.faults import Fault
from tests.fixtures.provider_platform import ProviderPlatform, data_url
from tests.fixtures.two_colours import png
from workflows.policies import CAPTION_TRIES

_REQUEST: dict[str, Any] = {
    "training_type": "LORA",
    "entity_type": "PRODUCT",
    "trigger_word": "zqx",
    "steps": 2,
    "sample_prompts": [],
    "origin_instance": "e2e",
}
_PROMPT = "Name the colour of [trigger] in one word."


@pytest.fixture(scope="module")
def sources() -> list[str]:
    return [data_url(png(garment)) for garment in draw_dresses(4)]


async def trained(providers: ProviderPlatform, **fields: Any) -> tuple[Any, dict[str, Any]]:
    """Train, and return the record and the captions by the name of the source's file."""
    platform = providers.platform
    created = await platform.post("/api/v1/training/", _REQUEST | fields)
    record = await platform.completed(f"/api/v1/training/{created['id']}")
    key = f"trainings/{created['id']}/dataset/manifest.json"
    manifest = json.loads(await platform.objects.get(key))
    return record, {image["name"]: image["caption"] for image in manifest["images"]}


@pytest.mark.models
async def test_captions_by_a_model_and_by_the_prompt_of_the_client(
    providers: ProviderPlatform, sources: list[str]
) -> None:
    before = await providers.ledger()
    (plain, by_model), (custom, by_prompt) = await asyncio.gather(
        trained(providers, source_images=sources, preprocessing_captioning_strategy="llm"),
        trained(
            providers,
            source_images=sources,
            preprocessing_captioning_strategy="custom_prompt",
            preprocessing_captioning_prompt=_PROMPT,
        ),
    )
    assert len(by_model) == len(by_prompt) == len(sources)
    assert all("picture (" in caption for caption in by_model.values())
    assert all("Name the colour of zqx" in caption for caption in by_prompt.values())
    assert plain["local_model_path"]
    assert custom["local_model_path"]
    after = await providers.ledger()
    assert len(after["entries"]) - len(before["entries"]) == 2 * len(sources)
    assert {entry["wire"] for entry in after["entries"][len(before["entries"]) :]} == {"gemini"}
    assert after["strays"] == before["strays"]


@pytest.mark.models
async def test_an_empty_reply_is_a_counted_failure_of_that_picture_alone(
    providers: ProviderPlatform, sources: list[str]
) -> None:
    """Two of the three tries fail for every picture, and the third for the first of them."""
    part = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"}
    body = {"candidates": [part], "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
    times = (CAPTION_TRIES - 1) * len(sources) + 1
    await providers.play(
        Fault(on="work", body=body, wire="gemini", times=times, marker="only the empty ones")
    )
    before = await providers.ledger()
    record, captions = await trained(
        providers,
        source_images=sources,
        preprocessing_captioning_strategy="custom_prompt",
        preprocessing_captioning_prompt="Describe only the empty ones.",
    )
    assert sorted(captions.values()).count("zqx") == 1
    assert sum("You asked: Describe only" in caption for caption in captions.values()) == 3
    (warning,) = [each for each in record["warnings"] if "caption" in each]
    assert f"1 of {len(sources)} pictures have the trigger word alone" in warning
    sent = len((await providers.ledger())["entries"]) - len(before["entries"])
    assert sent == CAPTION_TRIES * len(sources)
