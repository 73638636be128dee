"""FACE_ENHANCER and DETAIL_ENHANCER end to end, with the packaged models."""

import base64
import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from tests.fixtures.platform import Platform


@cache
def _picture(name: str) -> str:
    pixels = {"astronaut": data.astronaut, "coffee": data.coffee}[name]()
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


async def _done(platform: Platform, **body: Any) -> dict[str, Any]:
    task = await platform.post("/api/v1/tasks/", {"origin_instance": "e2e"} | body)
    return await platform.completed(f"/api/v1/tasks/{task['id']}")


def _pixels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


async def test_face_of_the_astronaut_is_enhanced_and_the_rest_stays(platform: Platform) -> None:
    task = await _done(
        platform,
        task_type="FACE_ENHANCER",
        input_image=_picture("astronaut"),
        config={"num_inference_steps": 4},
        provider_config={
            "provider_type": "sartiq_ultimate_face_fixer",
            "lpips_threshold": 0.9,
            "max_retries": 1,
        },
    )
    assert task["face_detected"] is True
    assert 1 <= task["attempts_used"] <= 2
    assert 0 < task["final_ssim_score"] <= 1
    assert 0 < task["final_lpips_score"] < 1
    assert task["final_dists_score"] is None
    source = _pixels(base64.b64decode(_picture("astronaut")))
    changed = np.nonzero(
        (_pixels(await platform.picture(task["result_image_path"])) != source).any(2)
    )
    # The face is around column 112, row 56 of 256.
    assert 60 < changed[1].min() < 112 < changed[1].max() < 170
    assert changed[0].min() < 56 < changed[0].max() < 130


async def test_picture_without_a_face_is_unchanged(platform: Platform) -> None:
    task = await _done(platform, task_type="FACE_ENHANCER", input_image=_picture("coffee"))
    assert (task["face_detected"], task["attempts_used"]) == (False, 0)
    assert task["final_ssim_score"] is None
    content = await platform.picture(task["result_image_path"])
    assert content == base64.b64decode(_picture("coffee"))


async def test_detail_of_a_garment_is_enhanced(platform: Platform) -> None:
    task = await _done(
        platform,
        task_type="DETAIL_ENHANCER",
        base_image=_picture("astronaut"),
        reference_image=_picture("coffee"),
        detail_label="jacket",
        config={"num_inference_steps": 2},
        provider_config={
            "provider_type": "sartiq_ultimate_garment_fixer",
            "ssim_threshold": 0,
            "max_retries": 0,
        },
    )
    source = _pixels(base64.b64decode(_picture("astronaut")))
    enhanced = _pixels(await platform.picture(task["result_image_path"]))
    assert (enhanced != source).any(2)[128:].any()
    assert (enhanced == source).all(2)[:32, :32].all()


async def test_missing_detail_fails_and_names_the_field(platform: Platform) -> None:
    body = {
        "task_type": "DETAIL_ENHANCER",
        "origin_instance": "e2e",
        "base_image": _picture("coffee"),
        "reference_image": _picture("coffee"),
        "detail_label": "trousers",
    }
    task = await platform.post("/api/v1/tasks/", body)
    ended = await platform.ended(f"/api/v1/tasks/{task['id']}")
    assert ended["status"] == "FAILED"
    assert "detail_label: 'trousers' was not found" in str(ended["errors"])
    assert ended["retry_count"] == 0


async def test_local_refinement_details_faces(platform: Platform) -> None:
    task = await _done(
        platform,
        task_type="REFINE",
        base_image_url=_picture("astronaut"),
        provider_config={"provider_type": "local"},
        upscale_enabled=False,
        face_detail_enabled=True,
        face_detail_steps=4,
    )
    source = _pixels(base64.b64decode(_picture("astronaut")))
    refined = _pixels(await platform.picture(task["result_image_path"]))
    assert (refined != source).any()
    assert (refined == source).all(2)[160:].all()
