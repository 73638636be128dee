"""BACKGROUND_REMOVE end to end: the API, the `inference-cpu` queue, installed models."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.fixtures.platform import Platform


def _png(name: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(getattr(data, name)()).resize(size).save(buffer, "PNG")
    return buffer.getvalue()


def _inline(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


async def _remove(platform: Platform, pictures: list[str], **fields: Any) -> dict[str, Any]:
    body = {
        "task_type": "BACKGROUND_REMOVE",
        "input_image_paths": pictures,
        "origin_instance": "e2e",
    }
    task = await platform.post("/api/v1/tasks/", body | fields)
    return await platform.ended(f"/api/v1/tasks/{task['id']}")


async def test_each_picture_comes_back_cut_out_in_order(platform: Platform) -> None:
    sizes = [(96, 128), (128, 96), (64, 64)]
    names = ["astronaut", "coffee", "astronaut"]
    pictures = [_png(*item) for item in zip(names, sizes, strict=True)]

    task = await _remove(platform, [_inline(picture) for picture in pictures])

    assert task["status"] == "COMPLETED", task
    assert task["rembg_model_used"] == "u2netp"
    assert len(task["result_image_paths"]) == 3
    for path, size, given in zip(task["result_image_paths"], sizes, pictures, strict=True):
        assert path.startswith(f"background_removals/{task['id']}/a1/")
        result = Image.open(io.BytesIO(await platform.picture(path)))
        assert (result.mode, result.size) == ("RGBA", size)
        pixels, before = np.asarray(result), np.asarray(Image.open(io.BytesIO(given)))
        alpha = pixels[..., 3]
        assert 0.2 < (alpha > 127).mean() < 0.8
        assert (pixels[alpha == 255][:, :3] == before[alpha == 255]).all()


async def test_broken_picture_is_named_and_the_others_are_cut_out(platform: Platform) -> None:
    """The API accepts its structure; its pixel data cannot be decoded."""
    whole = _png("coffee", (96, 64))
    middle = len(whole) // 2
    broken = whole[:middle] + bytes(64) + whole[middle + 64 :]

    task = await _remove(platform, [_inline(whole), _inline(broken)])

    assert (task["status"], task["error_category"]) == ("FAILED", "VALIDATION")
    assert task["retry_count"] == 0
    (error,) = task["errors"]
    assert f"input_image_paths[1] ({task['input_image_paths'][1]}): the picture cannot" in error
    (path,) = task["result_image_paths"]
    assert path.endswith("/image_0.png")
    assert Image.open(io.BytesIO(await platform.picture(path))).mode == "RGBA"


@pytest.mark.long
async def test_isnet_is_installed_under_its_name(platform: Platform) -> None:
    task = await _remove(
        platform,
        [_inline(_png("coffee", (96, 64)))],
        provider_type="local",
        provider_config={"rembg_model": "isnet-general-use"},
    )

    assert task["status"] == "COMPLETED", task
    assert task["rembg_model_used"] == "isnet-general-use"
    (path,) = task["result_image_paths"]
    assert Image.open(io.BytesIO(await platform.picture(path))).mode == "RGBA"


@pytest.mark.parametrize("model", ["u2net", "silueta", "sam"])
async def test_missing_model_is_refused(platform: Platform, model: str) -> None:
    body = {
        "task_type": "BACKGROUND_REMOVE",
        "input_image_paths": [_inline(_png("coffee", (32, 32)))],
        "origin_instance": "e2e",
        "provider_config": {"rembg_model": model},
    }

    answer = await platform.api.post("/api/v1/tasks/", json=body)

    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == ["body", "provider_config", "rembg_model"]
    assert f"the model {model} is not installed here" in fault["msg"]
