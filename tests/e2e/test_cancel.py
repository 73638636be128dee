"""Cancellation of running work; later work is unaffected."""

import asyncio
import io
import time

from PIL import Image, ImageChops

from tests.fixtures.platform import Platform

_MANY_STEPS = {"num_inference_steps": 200, "num_images": 8}


async def test_cancelled_generation_stops_and_the_next_one_is_unaffected(
    platform: Platform,
) -> None:
    before = await platform.generate(seed=3)
    task = await platform.post(
        "/api/v1/tasks/",
        {
            "task_type": "GENERATION",
            "prompt": "a red dress",
            "width": 64,
            "height": 64,
            "seed": 1,
            "origin_instance": "e2e",
            "config": _MANY_STEPS,
        },
    )
    path = f"/api/v1/tasks/{task['id']}"
    async with asyncio.timeout(60):
        while not (await platform.api.get(path)).json()["progress"]:
            await asyncio.sleep(0.05)

    asked_at = time.monotonic()
    answer = await platform.api.post(f"{path}/cancel")
    assert answer.status_code == 200
    cancelled = await platform.ended(path)
    after = await platform.generate(seed=3)

    assert cancelled["status"] == "CANCELLED"
    assert 0 < cancelled["progress"] < 100
    assert cancelled["result_image_path"] is None
    # The 1,600 steps would take over half a minute; the worker was free for the next one.
    assert time.monotonic() - asked_at < 25
    first, second = [
        Image.open(io.BytesIO(await platform.picture(task["result_image_path"])))
        for task in (before, after)
    ]
    assert ImageChops.difference(first, second).getbbox() is None
