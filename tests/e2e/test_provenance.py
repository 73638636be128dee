"""Provenance of the real model's pictures, which reproduces them."""

import hashlib
from typing import Any

from tests.fixtures.embedded import embedded_record
from tests.fixtures.platform import Platform


async def record_of(platform: Platform, task: dict[str, Any]) -> dict[str, Any]:
    answer = await platform.api.get(f"/api/v1/tasks/{task['id']}/provenance")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rerun(platform: Platform, record: dict[str, Any]) -> dict[str, Any]:
    created = await platform.post("/api/v1/tasks/", record["request"])
    return await platform.completed(f"/api/v1/tasks/{created['id']}")


async def assert_same_pixels(
    platform: Platform, task: dict[str, Any], again: dict[str, Any]
) -> None:
    assert task["id"] != again["id"]
    first, second = [
        [
            await platform.pixels(file["key"])
            for file in (await record_of(platform, one))["made"]["files"]
        ]
        for one in (task, again)
    ]
    assert first == second


async def test_generation_contains_its_record_and_is_reproduced_from_it(platform: Platform) -> None:
    config = {"num_images": 2, "output_format": "webp", "negative_prompt": "hats"}
    task = await platform.generate(seed=None, config=config)

    record = await record_of(platform, task)

    made = record["made"]
    assert (made["engine"], made["model"], made["profile"]) == ("flux.1", "swatch", "quality")
    assert (made["sampler"], made["steps"]) == ("FlowMatchEulerDiscreteScheduler", 8)
    assert {"torch", "diffusers", "transformers", "sartiq-inference-worker"} <= set(
        made["versions"]
    )
    for file in made["files"]:
        content = await platform.objects.get(file["key"])
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        shared = {name: value for name, value in made.items() if name != "files"}
        assert embedded_record(content) == shared | {"task_id": task["id"], "seed": file["seed"]}
        assert b"a red dress" not in content
    await assert_same_pixels(platform, task, await rerun(platform, record))


async def test_refinement_is_reproduced_from_its_record(platform: Platform) -> None:
    base = await platform.generate()
    body = {
        "task_type": "REFINE",
        "base_image_url": base["result_image_path"],
        "upscale_factor": 2,
        "upscale_steps": 3,
        "provider_config": {"num_tiles": 4},
        "origin_instance": "e2e",
    }
    created = await platform.post("/api/v1/tasks/", body)
    task = await platform.completed(f"/api/v1/tasks/{created['id']}")

    record = await record_of(platform, task)

    [file] = record["made"]["files"]
    assert record["made"]["steps"] == 3
    assert embedded_record(await platform.objects.get(file["key"]))["seed"] == file["seed"]
    await assert_same_pixels(platform, task, await rerun(platform, record))
