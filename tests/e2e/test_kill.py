"""Kills at the worst moments: nothing is lost, and finished work is not repeated."""

import asyncio
import base64
import io
from typing import Any

import pytest
from PIL import Image
from skimage import data

from tests.fixtures.platform import Platform

_REFINE: dict[str, Any] = {
    "task_type": "REFINE",
    "origin_instance": "e2e",
    "upscale_factor": 4,
    "upscale_seed": 11,
    # Enough steps that a tile takes most of a second on any machine.
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


async def _tiles(platform: Platform, task_id: str) -> dict[str, Any]:
    listed = await platform.objects.list(f"refines/{task_id}/tiles/")
    return {tile.key: tile.last_modified for tile in listed}


def _astronaut() -> str:
    buffer = io.BytesIO()
    face = Image.fromarray(data.astronaut()).crop((128, 0, 352, 224))
    face.resize((64, 64), Image.Resampling.LANCZOS).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(("version", "num_faces"), [("1", 1), ("2", 0)])
async def test_killed_worker_loses_no_finished_tile(
    platform: Platform, version: str, num_faces: int
) -> None:
    body = _REFINE | {
        "base_image_url": _astronaut(),
        "provider_config": _REFINE["provider_config"] | {"version": version},
    }
    unbroken = await platform.post("/api/v1/tasks/", body)
    unbroken = await platform.completed(f"/api/v1/tasks/{unbroken['id']}")
    broken = await platform.post("/api/v1/tasks/", body)

    async with asyncio.timeout(60):
        while len(await _tiles(platform, broken["id"])) < 3:
            await asyncio.sleep(0.01)
    await platform.stack.kill("inference-worker")
    finished = await _tiles(platform, broken["id"])
    await platform.stack.start("inference-worker")
    completed = await platform.completed(f"/api/v1/tasks/{broken['id']}")

    assert 3 <= len(finished) <= 6
    assert "/a2/" in completed["result_image_path"]
    assert completed["retry_count"] == 1
    tiles = await _tiles(platform, broken["id"])
    assert len(tiles) == 9 + num_faces
    assert {key: tiles[key] for key in finished} == finished
    assert await platform.pixels(completed["result_image_path"]) == await platform.pixels(
        unbroken["result_image_path"]
    )


async def test_short_outage_of_the_database_loses_nothing(platform: Platform) -> None:
    base = (await platform.generate())["result_image_path"]
    task = await platform.post("/api/v1/tasks/", _REFINE | {"base_image_url": base})

    await platform.stack.kill("postgres")
    # The worker continues meanwhile: wait until its part is done, so that the record must wait.
    async with asyncio.timeout(60):
        while not await platform.objects.head(f"refines/{task['id']}/a1/image.png"):
            await asyncio.sleep(0.05)
    await platform.stack.start("postgres")

    completed = await platform.completed(f"/api/v1/tasks/{task['id']}")
    assert completed["retry_count"] == 0


async def test_short_outage_of_the_object_store_loses_nothing(platform: Platform) -> None:
    base = (await platform.generate())["result_image_path"]
    task = await platform.post("/api/v1/tasks/", _REFINE | {"base_image_url": base})
    async with asyncio.timeout(60):
        while not await _tiles(platform, task["id"]):
            await asyncio.sleep(0.01)

    await platform.stack.kill("seaweed")
    await platform.stack.start("seaweed")

    completed = await platform.completed(f"/api/v1/tasks/{task['id']}")
    assert await platform.picture(completed["result_image_path"])


async def test_killed_workflow_worker_is_replaced(platform: Platform) -> None:
    base = (await platform.generate())["result_image_path"]
    task = await platform.post("/api/v1/tasks/", _REFINE | {"base_image_url": base})
    async with asyncio.timeout(60):
        while not await _tiles(platform, task["id"]):
            await asyncio.sleep(0.01)

    await platform.stack.kill("workflow-worker")
    await platform.stack.start("workflow-worker")

    completed = await platform.completed(f"/api/v1/tasks/{task['id']}")
    assert completed["retry_count"] == 0
