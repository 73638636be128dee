"""LoRAs from upload to pixels, through the API alone."""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fixtures.loras import (
    brightness,
    brightness_lora,
    diffusers_names,
    random_pairs,
    saved,
    swatch_engine,
)
from tests.fixtures.platform import Platform

_FIELDS = ("subject", "product", "style", "product2")


@dataclass(frozen=True)
class Loras:
    """The paths of uploaded LoRAs of the small model."""

    brightness: str
    others: list[str]


async def _upload(platform: Platform, content: bytes, name: str) -> Any:
    return await platform.api.post("/api/v1/lora/upload", files={"file": (name, content)})


async def _stored(platform: Platform, tensors: dict[str, torch.Tensor], name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        content = saved(tensors, Path(folder)).path.read_bytes()
    answer = await _upload(platform, content, f"{name}.safetensors")
    assert answer.status_code == 201, answer.text
    return answer.json()["file_path"]


@pytest.fixture(scope="session")
async def loras(platform: Platform) -> Loras:
    engine, parts = swatch_engine()
    transformer: Any = parts.transformer
    layers = ["transformer_blocks.0.attn.to_q", "single_transformer_blocks.2.proj_out"]
    return Loras(
        await _stored(platform, brightness_lora(engine, parts), "brightness"),
        [
            await _stored(
                platform,
                diffusers_names(random_pairs(transformer, layers, seed=seed, scale=0.05)),
                f"random{seed}",
            )
            for seed in range(3)
        ],
    )


async def _picture(platform: Platform, **fields: Any) -> Image.Image:
    task = await platform.generate(**fields)
    return Image.open(io.BytesIO(await platform.picture(task["result_image_path"])))


def _are_equal(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


async def test_weight_scales_brightness_and_zero_equals_the_base(
    platform: Platform, loras: Loras
) -> None:
    base = await _picture(platform)
    weights = (-1.0, -0.5, 0.0, 0.5, 1.0)
    pictures = [
        await _picture(platform, subject_model_path=loras.brightness, subject_lora_weight=weight)
        for weight in weights
    ]
    levels = [brightness(picture) for picture in pictures]
    assert levels == sorted(levels)
    assert min(np.diff(levels)) > 0.5
    assert _are_equal(pictures[weights.index(0)], base)
    assert _are_equal(await _picture(platform), base)


async def test_four_loras_at_once_with_and_without_a_reference(
    platform: Platform, loras: Loras
) -> None:
    paths = [loras.brightness, *loras.others]
    chosen = {f"{name}_model_path": path for name, path in zip(_FIELDS, paths, strict=True)}
    base = await platform.generate()
    reference = {
        "reference_image_url": base["result_image_path"],
        "reference_image_strength": 40,
    }
    for others in ({}, reference):
        without = await _picture(platform, **others)
        one = await _picture(platform, subject_model_path=loras.brightness, **others)
        four = await _picture(platform, **chosen, **others)
        again = await _picture(platform, **chosen, **others)
        assert _are_equal(four, again)
        assert not _are_equal(four, one)
        assert not _are_equal(one, without)


async def test_rerun_from_a_record_finds_the_loras_by_digest(
    platform: Platform, loras: Loras
) -> None:
    task = await platform.generate(
        subject_model_path=loras.brightness,
        subject_lora_weight=0.5,
        style_model_path=loras.others[0],
    )
    record = (await platform.api.get(f"/api/v1/tasks/{task['id']}/provenance")).json()
    used = {lora["field"]: lora for lora in record["made"]["loras"]}
    assert used["subject_model_path"]["weight"] == 0.5
    for field, path in (
        ("subject_model_path", loras.brightness),
        ("style_model_path", loras.others[0]),
    ):
        assert record["lora_paths"][field] == path
        assert record["request"][field] == f"sha256/{used[field]['sha256']}.safetensors"

    again = await platform.generate(**record["request"])

    assert await platform.pixels(task["result_image_path"]) == await platform.pixels(
        again["result_image_path"]
    )


async def test_lora_of_another_model_fails_the_task_and_not_the_worker(platform: Platform) -> None:
    foreign = await _stored(
        platform,
        diffusers_names(
            {"transformer_blocks.0.attn.to_q": (torch.ones(4, 3072), torch.ones(3072, 4))}
        ),
        "foreign",
    )
    body = {
        "task_type": "GENERATION",
        "prompt": "a red dress",
        "origin_instance": "e2e",
        "style_model_path": foreign,
    }
    created = await platform.post("/api/v1/tasks/", body)
    task = await platform.ended(f"/api/v1/tasks/{created['id']}")
    assert (task["status"], task["error_category"], task["retry_count"]) == (
        "FAILED",
        "VALIDATION",
        0,
    )
    assert (
        "style_model_path: made for another model: transformer_blocks.0.attn.to_q takes 3072 "
        "features, this model's has 160"
    ) in json.dumps(task)
    await platform.generate()


async def test_missing_lora_is_refused_at_once(platform: Platform) -> None:
    body = {
        "task_type": "GENERATION",
        "prompt": "a red dress",
        "origin_instance": "e2e",
        "subject_model_path": "identities/nobody.safetensors",
    }
    answer = await platform.api.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["body", "subject_model_path"]]


async def test_text_and_nan_are_refused_at_upload(platform: Platform) -> None:
    broken = torch.ones(160, 4)
    broken[3, 2] = torch.nan
    tensors = diffusers_names({"transformer_blocks.0.attn.to_q": (torch.ones(4, 160), broken)})
    with tempfile.TemporaryDirectory() as folder:
        nan = saved(tensors, Path(folder)).path.read_bytes()
    for content, said in ((b"this is a text file", "not a safetensors file"), (nan, "NaN")):
        answer = await _upload(platform, content, "broken.safetensors")
        assert answer.status_code == 422
        assert said in answer.text
