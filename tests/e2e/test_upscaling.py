"""Slow upscales by Real-ESRGAN beside fast work."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any, cast

import pytest
from PIL import Image
from skimage.data import astronaut  # pyright: ignore[reportUnknownVariableType]

from shared.pixels.images import encode_png
from tests.fixtures.platform import Platform

pytestmark = pytest.mark.long

_astronaut = cast(Callable[[], Any], astronaut)


async def test_slow_upscales_delay_no_other_task(platform: Platform) -> None:
    """A worker runs one at a time; the next one waits in Temporal, not in a slot of the worker."""
    small = Image.fromarray(_astronaut()).resize((96, 96), Image.Resampling.BOX)
    body = {
        "task_type": "REFINE",
        "origin_instance": "e2e",
        "base_image_url": base64.b64encode(encode_png(small)).decode(),
        "upscale_factor": 2,
        "upscale_steps": 2,
        "upscale_seed": 1,
        "config": {"upscaler": "real_esrgan"},
    }
    paths = [f"/api/v1/tasks/{(await platform.post('/api/v1/tasks/', body))['id']}"]
    async with asyncio.timeout(60):
        while not (await platform.api.get(paths[0])).json()["progress"]:
            await asyncio.sleep(0.05)
    for _ in range(3):
        task = await platform.post("/api/v1/tasks/", body)
        paths.append(f"/api/v1/tasks/{task['id']}")

    await platform.generate()
    now = [(await platform.api.get(path)).json()["status"] for path in paths]
    # If they waited in the worker's two slots, they would all have begun before it.
    assert now.count("PENDING") >= 2, now

    for path in paths[2:]:
        await platform.api.post(f"{path}/cancel")
    first, second = [await platform.completed(path) for path in paths[:2]]
    assert first["errors"] == second["errors"]
    assert await platform.pixels(first["result_image_path"]) == await platform.pixels(
        second["result_image_path"]
    )
