"""IMAGE_ADJUSTER and BACKGROUND_FIX end to end."""

import base64
import importlib.util
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from tests.fixtures.platform import Platform

needs_models = pytest.mark.skipif(
    importlib.util.find_spec("inference_worker.vision.models") is None
    or importlib.util.find_spec("mediapipe") is None,
    reason="the packages that carry the vision models are not installed",
)


def data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


async def completed(platform: Platform, **fields: Any) -> dict[str, Any]:
    task = await platform.post("/api/v1/tasks/", {"origin_instance": "e2e", **fields})
    done = await platform.completed(f"/api/v1/tasks/{task['id']}")
    assert done["progress"] == 100
    return done


async def result_of(platform: Platform, **fields: Any) -> Image.Image:
    done = await completed(platform, **fields)
    return Image.open(io.BytesIO(await platform.picture(done["result_image_path"])))


async def test_a_picture_is_padded_to_its_size(platform: Platform) -> None:
    picture = Image.new("RGB", (300, 200), "#c8d0d8")
    result = await result_of(
        platform,
        task_type="IMAGE_ADJUSTER",
        input_image=data_url(picture),
        mode="pad",
        target_width=160,
        target_height=200,
    )
    assert (result.mode, result.size) == ("RGB", (160, 200))
    assert result.getpixel((80, 5)) == (0xC8, 0xD0, 0xD8)


async def test_a_cutout_gets_its_margins_and_keeps_its_alpha(platform: Platform) -> None:
    cutout = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    cutout.paste((200, 20, 30, 255), (100, 0, 200, 200))
    result = await result_of(
        platform,
        task_type="IMAGE_ADJUSTER",
        input_image=data_url(cutout),
        mode="scale",
        target_width=160,
        target_height=200,
        margin_top=0.1,
        margin_bottom=0.05,
    )
    box = result.getchannel("A").point(lambda level: 255 * (level >= 128)).getbbox()
    assert box is not None
    assert (box[1], box[3]) == pytest.approx((20, 190), abs=1)


async def test_impossible_margins_fail_the_task_and_are_named(platform: Platform) -> None:
    cutout = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    cutout.paste((200, 20, 30, 255), (0, 0, 30, 10))
    body = {
        "task_type": "IMAGE_ADJUSTER",
        "input_image": data_url(cutout),
        "origin_instance": "e2e",
    }
    task = await platform.post("/api/v1/tasks/", body | {"mode": "crop", "margin_top": 0.2})
    ended = await platform.ended(f"/api/v1/tasks/{task['id']}")
    assert (ended["status"], ended["error_category"]) == ("FAILED", "VALIDATION")
    assert "margin_top" in ended["errors"][0]


@needs_models
async def test_a_photographs_subject_is_found(platform: Platform) -> None:
    photograph = Image.fromarray(astronaut()).crop((0, 0, 512, 400))
    result = await result_of(
        platform,
        task_type="IMAGE_ADJUSTER",
        input_image=data_url(photograph),
        reference_image=data_url(photograph),
        mode="scale",
        target_width=256,
        target_height=200,
    )
    assert result.size == (256, 200)
    small = np.asarray(photograph.resize((256, 200)), float)
    assert np.abs(np.asarray(result, float) - small).mean() < 6


@needs_models
@pytest.mark.parametrize("strategy", ["lab_shift", "replace"])
async def test_a_background_takes_the_palettes_colour(platform: Platform, strategy: str) -> None:
    photograph = Image.fromarray(astronaut())
    task = await completed(
        platform,
        task_type="BACKGROUND_FIX",
        base_image=data_url(photograph),
        palette_image=data_url(Image.new("RGB", (40, 40), "#d8c8b0")),
        strategy=strategy,
        edge_blur_sigma=4,
    )
    assert task["mask_used"] == "person"
    result = Image.open(io.BytesIO(await platform.picture(task["result_image_path"])))
    assert (result.mode, result.size) == ("RGB", photograph.size)
    face = (slice(80, 160), slice(190, 250))
    assert (np.asarray(result)[face] == np.asarray(photograph)[face]).mean() > 0.95
    if strategy == "replace":
        assert result.getpixel((4, 4)) == (0xD8, 0xC8, 0xB0)


async def test_a_cutout_keeps_its_pixels_before_a_new_background(platform: Platform) -> None:
    cutout = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    cutout.paste((250, 248, 240, 255), (20, 10, 40, 40))
    fields = {"base_image": data_url(cutout), "strategy": "replace"}
    fields |= {"palette_image": data_url(Image.new("RGB", (8, 8), "#d8c8b0"))}
    task = await completed(platform, task_type="BACKGROUND_FIX", **fields)
    assert task["mask_used"] == "alpha"
    result = Image.open(io.BytesIO(await platform.picture(task["result_image_path"])))
    assert result.getpixel((0, 0)) == (0xD8, 0xC8, 0xB0)
    assert result.getpixel((30, 20)) == (250, 248, 240)


@needs_models
async def test_picture_without_a_foreground_fails_and_is_named(platform: Platform) -> None:
    wall = data_url(Image.new("RGB", (64, 64), "white"))
    body = {"base_image": wall, "palette_image": wall, "origin_instance": "e2e"}
    task = await platform.post("/api/v1/tasks/", body | {"task_type": "BACKGROUND_FIX"})
    ended = await platform.ended(f"/api/v1/tasks/{task['id']}")
    assert (ended["status"], ended["error_category"]) == ("FAILED", "VALIDATION")
    assert "base_image: neither a person nor a product is found" in ended["errors"][0]
