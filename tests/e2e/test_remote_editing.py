"""Tiles, faces and details edited by Gemini, through the whole platform, at the sandbox."""

import base64
import io
import uuid
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data
from skimage.metrics import structural_similarity

from shared.contracts.enums import ProviderType
from tests.fixtures.platform import Platform
from tests.fixtures.provider_platform import ProviderPlatform

IDENTITY = 1000
"""A seed with which the sandbox returns its source."""
SIDE_PX = 256


@cache
def _astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def _sent(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _refine(words: str) -> dict[str, Any]:
    return {
        "task_type": "REFINE",
        "base_image_url": _sent(_astronaut()),
        "upscale_factor": 2,
        "upscale_prompt": words,
        "upscale_seed": IDENTITY,
        "config": {"editor": "vertex"},
        "provider_config": {
            "provider_type": "sartiq_ultimate_refiner",
            "version": "1",
            "num_tiles": 9,
            "ssim_threshold": 0.99,
            "max_retries": 0,
        },
    }


def _nano_banana(words: str) -> dict[str, Any]:
    return {
        "task_type": "REFINE",
        "base_image_url": _sent(_astronaut()),
        "target_width": 700,
        "target_height": 500,
        "upscale_seed": IDENTITY,
        "provider_config": {
            "provider_type": "nano_banana_upscaler",
            "default_prompt": words,
            "ssim_threshold": 0.99,
        },
    }


def _faces(words: str) -> dict[str, Any]:
    return {
        "task_type": "FACE_ENHANCER",
        "input_image": _sent(_astronaut()),
        "config": {"editor": "vertex", "seed": IDENTITY},
        "provider_config": {
            "provider_type": "sartiq_ultimate_face_fixer",
            "face_prompt": words,
            "ssim_threshold": 0.99,
        },
    }


def _details(words: str) -> dict[str, Any]:
    return {
        "task_type": "DETAIL_ENHANCER",
        "base_image": _sent(_astronaut()),
        "reference_image": _sent(Image.new("RGB", (96, 64), "#b02030")),
        "detail_label": f"{words} badge",
        "config": {"editor": "vertex", "seed": IDENTITY},
        "provider_config": {
            "provider_type": "sartiq_ultimate_garment_fixer",
            "ssim_threshold": 0.99,
        },
    }


TASKS = pytest.mark.parametrize(
    ("request_of", "size"),
    [
        (_refine, (2 * SIDE_PX, 2 * SIDE_PX)),
        (_nano_banana, (700, 500)),
        (_faces, (SIDE_PX, SIDE_PX)),
        (_details, (SIDE_PX, SIDE_PX)),
    ],
    ids=["refiner", "nano_banana", "face_fixer", "garment_fixer"],
)


@TASKS
async def test_edited_picture_has_its_exact_size_and_its_costs(
    providers: ProviderPlatform, request_of: Any, size: tuple[int, int]
) -> None:
    words = f"keep the picture {uuid.uuid4().hex}"
    record = await providers.ended(await providers.create(**request_of(words)))
    assert record["status"] == "COMPLETED", record["errors"]
    picture = await _picture(providers.platform, record["result_image_path"])
    assert picture.size == size
    source = ImageOps.fit(_astronaut(), size, Image.Resampling.LANCZOS)
    assert _similarity(source, picture) > 0.97

    ledger = await providers.ledger()
    assert ledger["strays"] == []
    charges = [each for each in ledger["charges"] if words in each["marker"]]
    assert charges
    posts = {marker: n for marker, n in ledger["posts"].items() if words in marker}
    assert sum(posts.values()) == len(charges)
    monitored = await providers.monitored(record)
    assert len(monitored["service_requests"]) == len(charges)
    billed = monitored["billed"]
    assert {each["provider"] for each in billed} == {ProviderType.VERTEX}
    assert sum(each["amount"] for each in billed) == sum(each["amount"] for each in charges)


async def _picture(platform: Platform, path: str) -> Image.Image:
    return Image.open(io.BytesIO(await platform.picture(path))).convert("RGB")


def _similarity(source: Image.Image, picture: Image.Image) -> float:
    score: float = structural_similarity(
        np.asarray(source), np.asarray(picture), channel_axis=2, gaussian_weights=True
    )
    return score


async def test_unknown_editor_is_refused(providers: ProviderPlatform) -> None:
    body = _refine("-") | {"config": {"editor": "photoshop"}, "origin_instance": "e2e"}
    response = await providers.platform.api.post("/api/v1/tasks/", json=body)
    assert response.status_code == 422
    assert "editor" in response.text
