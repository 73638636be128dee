"""Trainings through the whole platform: from pictures to a LoRA that changes generations."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from local_stack.drawn_garments import draw_dresses
from tests.fixtures.platform import Platform
from tests.fixtures.two_colours import mean_distance, png, red_share, score

_TRIGGER = "zqx"
_SEEDS = (3, 7, 11, 19)
_REQUEST: dict[str, Any] = {
    "training_type": "LORA",
    "entity_type": "PRODUCT",
    "trigger_word": _TRIGGER,
    "steps": 200,
    "learning_rate": 0.003,
    "sample_prompts": ["[trigger]", "a red dress"],
    "origin_instance": "e2e",
}
_PRESIGNED_S = 600


async def _sources(platform: Platform, garments: list[Image.Image]) -> list[str]:
    """Return four pictures as data URLs, four as saved paths, four as presigned URLs."""
    contents = [png(garment) for garment in garments]
    sources = [f"data:image/png;base64,{base64.b64encode(one).decode()}" for one in contents[:4]]
    paths: list[str] = []
    for index, content in enumerate(contents[4:8]):
        saved = await platform.api.post(
            f"/api/v1/storage/images/garments/{index}.png",
            files={"file": (f"{index}.png", content, "image/png")},
        )
        assert saved.status_code == 201, saved.text
        paths.append(saved.json()["path"])
    urls: list[str] = []
    for index, content in enumerate(contents[8:]):
        key = f"elsewhere/{index}.png"
        await platform.objects.put(key, content, "image/png")
        urls.append(platform.objects.presigned_url(key, expires_s=_PRESIGNED_S))
    return [*sources, *paths, *urls]


async def _generations(
    platform: Platform, path: str, weight: float, prompt: str = _TRIGGER
) -> list[Image.Image]:
    found: list[Image.Image] = []
    for seed in _SEEDS:
        task = await platform.generate(
            prompt=prompt, seed=seed, product_model_path=path, product_lora_weight=weight
        )
        content = await platform.picture(task["result_image_path"])
        found.append(Image.open(io.BytesIO(content)).convert("RGB"))
    return found


@pytest.mark.models
async def test_twelve_pictures_become_a_lora_that_changes_pictures(platform: Platform) -> None:
    garments = draw_dresses(12)
    created = await platform.post(
        "/api/v1/training/", _REQUEST | {"source_images": await _sources(platform, garments)}
    )
    training = await platform.completed(f"/api/v1/training/{created['id']}")

    path = training["local_model_path"]
    assert path.startswith("product/zqx")
    assert (training["current_step"], training["progress"]) == (200, 100)
    assert training["processed_files_count"] == training["total_files_count"] == 12
    assert training["metrics"]["contact_sheet_path"]
    events = await platform.api.get(f"/api/v1/training/{created['id']}/events")
    told = events.text
    assert told.index("PREPROCESSING") < told.index('"TRAINING"') < told.index("COMPLETED")

    untouched, half, whole = [
        await _generations(platform, path, weight) for weight in (0.0, 0.5, 1.0)
    ]
    far, nearer, nearest = (mean_distance(each, garments) for each in (untouched, half, whole))
    assert far > nearer > nearest
    assert sum(map(score, untouched)) / len(_SEEDS) <= 0.05
    assert sum(map(score, whole)) / len(_SEEDS) >= 0.9
    red = await _generations(platform, path, 1.0, "a red dress")
    assert sum(map(red_share, red)) / len(_SEEDS) >= 0.9
