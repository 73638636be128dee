"""EDITING by our own worker end to end.

The assertions about pixels hold for every implementation of `ImageEngine.instruct`, also for
SARTIQ_INFERENCE_ENGINE=identity, which has no model. The last test needs the model.
"""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from tests.fixtures.pictures import picture
from tests.fixtures.platform import Platform

_SIDE_PX = 64
_KEPT = (slice(None), slice(0, _SIDE_PX // 2))


def _photo() -> Image.Image:
    """Return a blue picture with a white bar."""
    image = Image.new("RGB", (_SIDE_PX, _SIDE_PX), (20, 40, 160))
    image.paste((250, 250, 250), (8, 8, 24, 56))
    return image


def _with_a_hole() -> Image.Image:
    """Return the same picture with a transparent right half."""
    image = _photo().convert("RGBA")
    image.paste((0, 0, 0, 0), (_SIDE_PX // 2, 0, _SIDE_PX, _SIDE_PX))
    return image


def _encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


async def _edit(platform: Platform, base: Image.Image, **fields: Any) -> dict[str, Any]:
    body = {
        "task_type": "EDITING",
        "provider_type": "local",
        "prompt": "a red dress",
        "base_image": _encoded(base),
        "seed": 7,
        "origin_instance": "e2e",
    }
    task = await platform.post("/api/v1/tasks/", body | fields)
    return await platform.completed(f"/api/v1/tasks/{task['id']}")


async def _pixels(platform: Platform, path: str) -> np.ndarray:
    image = Image.open(io.BytesIO(await platform.picture(path)))
    assert image.mode == "RGB"
    return np.asarray(image)


async def test_only_transparent_pixels_change(platform: Platform) -> None:
    task = await _edit(platform, _with_a_hole(), config={"num_images": 2})

    assert (task["width"], task["height"], task["progress"]) == (_SIDE_PX, _SIDE_PX, 100)
    assert task["result_image_path"] == f"editings/{task['id']}/a1/image_0.png"
    for index in (0, 1):
        pixels = await _pixels(platform, f"editings/{task['id']}/a1/image_{index}.png")
        assert np.array_equal(pixels[_KEPT], np.asarray(_photo())[_KEPT])


async def test_editing_with_references_is_reproducible(platform: Platform) -> None:
    reference = base64.b64encode(picture(colour="green", size=(64, 64))).decode()
    first, again = [
        await _edit(platform, _photo(), reference_images=[reference, reference], width=48)
        for _ in range(2)
    ]

    assert len(first["reference_images"]) == 2
    made = await platform.pixels(first["result_image_path"])
    assert made[0] == (48, _SIDE_PX)
    assert made == await platform.pixels(again["result_image_path"])


async def test_editing_of_a_generation_as_a_step(platform: Platform) -> None:
    mappings = [
        {"from_step": "base", "from_field": "result_image_path", "to_field": "base_image"},
        {"from_step": "shown", "from_field": "result_image_paths", "to_field": "reference_images"},
    ]
    edit = {
        "id": "edit",
        "task_type": "EDITING",
        "provider_config": {"provider_type": "local"},
        "config": {"prompt": "a green dress", "strength": 0.5},
        "input_mappings": mappings,
    }
    shown = {"prompt": "a green dress", "num_images": 2}
    created = await platform.post(
        "/api/v1/workflows/",
        {
            "name": "edits",
            "origin_instance": "e2e",
            "steps": [
                {"id": "base", "task_type": "GENERATION", "config": {"prompt": "a red dress"}},
                {"id": "shown", "task_type": "GENERATION", "config": shown},
                edit,
            ],
        },
    )

    workflow = await platform.completed(f"/api/v1/workflows/{created['id']}")

    assert workflow["final_step_id"] == "edit"
    path = workflow["final_step_result"]["result_image_path"]
    assert (await _pixels(platform, path)).shape == (_SIDE_PX, _SIDE_PX, 3)


async def test_another_seed_gives_other_pixels(platform: Platform) -> None:
    """Another seed gives other pixels; needs `ModelEngine.instruct`."""
    first, other = [
        await _pixels(
            platform, (await _edit(platform, _with_a_hole(), seed=seed))["result_image_path"]
        )
        for seed in (1, 2)
    ]

    assert np.array_equal(first[_KEPT], other[_KEPT])
    assert not np.array_equal(first, other)
