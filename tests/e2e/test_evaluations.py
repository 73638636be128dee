"""Evaluations through the whole platform, by each vendor's client at the sandbox."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg
import pytest
from PIL import Image
from skimage.data import astronaut as astronaut_pixels

from provider_worker.sandbox.faults import Fault
from shared.breaker import FAILURES_TO_OPEN
from shared.contracts.enums import AiProvider
from tests.fixtures.provider_platform import ProviderPlatform, data_url

PATH = "/api/v1/evaluation/"
HEALTH = "/api/v1/evaluation/health"
EXPECTED = {"expected_framing": "upper_body", "expected_view_angle": "front"}


@pytest.fixture(scope="module")
def picture() -> str:
    buffer = io.BytesIO()
    Image.fromarray(cast("Any", astronaut_pixels())).save(buffer, "PNG")
    return data_url(buffer.getvalue())


async def evaluate(providers: ProviderPlatform, provider: str, **body: Any) -> dict[str, Any]:
    response = await providers.platform.api.post(
        PATH, params={"provider": provider}, json=EXPECTED | body
    )
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("provider", [*AiProvider, "auto"])
async def test_each_vendor_evaluates(
    providers: ProviderPlatform, picture: str, provider: str
) -> None:
    before = await providers.ledger()
    found = await evaluate(providers, provider, image_data=picture, include_descriptions=True)
    assert (found["success"], found["error"]) == (True, None)
    assert found["human_detected"] is (found["number_of_people"] > 0)
    assert found["collage_detected"] is not None
    assert 0 <= found["human_presence_confidence"] <= 1
    assert 0 <= found["confidence_summary"] <= 1
    assert found["scene_description"]
    after = await providers.ledger()
    (entry,) = after["entries"][len(before["entries"]) :]
    assert entry["wire"] == ("gemini" if provider == "auto" else provider)
    assert after["strays"] == before["strays"]
    assert "upper_body" in str(entry["input"])  # a value of the schema
    assert "expected" not in str(entry["input"])
    health = (await providers.platform.api.get(HEALTH)).json()
    assert (health["is_healthy"], health["circuit_breaker_state"]) == (True, "closed")


async def test_picture_behind_a_url_is_fetched_by_the_worker(providers: ProviderPlatform) -> None:
    objects = providers.platform.objects
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    await objects.put("elsewhere/look.png", buffer.getvalue(), "image/png")
    url = objects.presigned_url("elsewhere/look.png", expires_s=600)
    assert (await evaluate(providers, "openai", image_url=url))["success"]
    missing = url.replace("look.png", "none.png")
    response = await providers.platform.api.post(PATH, json=EXPECTED | {"image_url": missing})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "image_url"]


async def test_auto_asks_the_next_vendor_after_a_refusal_and_none_after_a_lost_response(
    providers: ProviderPlatform, picture: str
) -> None:
    await providers.play(Fault(on="submit", like="rate_limit", wire="gemini"))
    before = len((await providers.ledger())["entries"])
    assert (await evaluate(providers, "auto", image_data=picture))["success"]
    (entry,) = (await providers.ledger())["entries"][before:]
    assert entry["wire"] == "openai"
    await providers.play(Fault(on="submit", is_taken=True, is_dropped=True, wire="gemini"))
    lost = await evaluate(providers, "auto", image_data=picture)
    assert lost["success"] is False
    assert "response was lost" in lost["error"]
    (entry,) = (await providers.ledger())["entries"][before + 1 :]
    assert entry["wire"] == "gemini"


@pytest.fixture
async def _closed_afterwards(providers: ProviderPlatform) -> AsyncIterator[None]:
    """Close the breaker after the test: other files use the same platform."""
    yield
    url = providers.platform.stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DELETE FROM provider_breakers WHERE provider_type = 'anthropic'")
    finally:
        await connection.close()


@pytest.mark.usefixtures("_closed_afterwards")
async def test_five_failures_open_the_breaker_of_the_vendor(
    providers: ProviderPlatform, picture: str
) -> None:
    await providers.play(
        Fault(on="submit", like="overloaded", wire="anthropic", times=FAILURES_TO_OPEN)
    )
    failed = await asyncio.gather(
        *(
            evaluate(providers, "anthropic", image_data=picture, custom_instructions=str(nth))
            for nth in range(FAILURES_TO_OPEN)
        )
    )
    assert [each["success"] for each in failed] == [False] * FAILURES_TO_OPEN
    before = len((await providers.ledger())["entries"])
    refused = await evaluate(providers, "anthropic", image_data=picture)
    assert (refused["success"], "circuit breaker" in refused["error"]) == (False, True)
    assert len((await providers.ledger())["entries"]) == before
    api = providers.platform.api
    health = (await api.get(HEALTH, params={"provider": "anthropic"})).json()
    assert (health["is_healthy"], health["circuit_breaker_state"]) == (False, "open")
    assert (await api.get(HEALTH)).json()["circuit_breaker_state"] == "closed"
