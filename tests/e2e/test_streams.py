"""Event streams across kills of processes: a client that reconnects misses nothing."""

import asyncio
import signal
from typing import Any

import httpx
import pytest

from tests.fixtures.event_streams import StreamClient
from tests.fixtures.platform import Platform

_REFINE = {
    "task_type": "REFINE",
    "origin_instance": "e2e",
    "upscale_factor": 4,
    # Enough steps for a kill in between, and for several progress events.
    "upscale_steps": 200,
    "upscale_denoise": 0.5,
    "provider_config": {
        "provider_type": "sartiq_ultimate_refiner",
        "num_tiles": 9,
        "max_workers": 1,
    },
}


pytestmark = pytest.mark.long


@pytest.fixture
def platform(breakable_platform: Platform) -> Platform:
    return breakable_platform


@pytest.fixture
async def base(platform: Platform) -> str:
    return (await platform.generate())["result_image_path"]


async def _following(platform: Platform, base: str) -> tuple[StreamClient, dict[str, Any]]:
    task = await platform.post("/api/v1/tasks/", _REFINE | {"base_image_url": base})
    return StreamClient(platform.api, f"/api/v1/tasks/{task['id']}/events"), task


def _is_whole(client: StreamClient) -> bool:
    return (
        client.ids == list(range(1, len(client.ids) + 1))
        and client.statuses[0] == "PENDING"
        and client.statuses[-1] == "COMPLETED"
        and client.statuses.count("COMPLETED") == 1
    )


async def test_killed_gateway_loses_no_event(platform: Platform, base: str) -> None:
    client, task = await _following(platform, base)
    following = asyncio.create_task(client.follow())
    await client.until(2)
    await platform.stack.kill("gateway")
    seen = len(client.events)
    await platform.stack.start("gateway")
    await following

    assert _is_whole(client), client.statuses
    assert len(client.events) > seen
    fresh = await StreamClient(platform.api, client.path).follow()
    assert fresh.events == client.events
    assert (await platform.completed(f"/api/v1/tasks/{task['id']}"))["status"] == "COMPLETED"


async def test_stopping_gateway_ends_its_streams_at_once(platform: Platform, base: str) -> None:
    client, _ = await _following(platform, base)
    reading = asyncio.create_task(client.connect())
    await client.until(1)

    await platform.stack.kill("gateway", signal.SIGTERM)
    # Ended, not cut off: a response without its last chunk would be a RemoteProtocolError.
    await reading
    await platform.stack.start("gateway")
    await client.follow()

    assert _is_whole(client), client.statuses


async def test_short_outage_of_the_database_ends_no_stream(platform: Platform, base: str) -> None:
    client, _ = await _following(platform, base)
    reading = asyncio.create_task(client.connect())
    await client.until(2)
    await platform.stack.kill("postgres")
    await asyncio.sleep(3)  # longer than the interval at which the credential is checked again
    assert not reading.done()
    await platform.stack.start("postgres")
    try:
        async with asyncio.timeout(90):
            await reading
    except httpx.TransportError as error:
        pytest.fail(f"the stream broke: {error!r}")
    assert _is_whole(client), client.statuses
