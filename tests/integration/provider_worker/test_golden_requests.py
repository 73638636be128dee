"""The requests to FASHN and Magnific, as committed: from FASHN's own client, or by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.enums import ProviderType
from shared.contracts.submissions import RemoteWork
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.provider_adapters import (
    fashn_activities,
    magnific_activities,
    refine_work,
    store_inputs,
    try_on_work,
)
from tests.fixtures.remote_work import take, wait_for
from tests.fixtures.sandbox import OpenSandbox

_GOLDEN = Path(__file__).parents[2] / "golden/providers"
_PICTURES = ("model_image", "garment_image", "product_image", "image")
_PROMPT = {"prompt": "tuck in shirt"}
_CREATIVE = ProviderType.FREEPIK_MAGNIFIC
_PRECISION = ProviderType.FREEPIK_MAGNIFIC_PRECISION


def _golden(name: str) -> dict[str, Any]:
    return json.loads((_GOLDEN / f"{name}.json").read_text())


def _request_line(golden: dict[str, Any]) -> str:
    return f"{golden['method']} {golden['path'].replace('(id)', '{id}')}"


def _without_pictures(given: dict[str, Any]) -> dict[str, Any]:
    """Return an input with its pictures replaced, which are data URLs or base64 of PNGs."""
    assert any(name in given for name in _PICTURES)
    for name in set(_PICTURES) & given.keys():
        assert given[name].removeprefix("data:image/png;base64,").startswith("iVBORw0KGgo")
    return given | {name: "(picture)" for name in _PICTURES if name in given}


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("run-tryon-v1.6", try_on_work(seed=42)),
        (
            "run-tryon-v1.6-every-option",
            try_on_work(
                seed=2**32 + 5,
                config={
                    "model_name": "tryon-v1.6",
                    "category": "one-pieces",
                    "garment_photo_type": "flat-lay",
                    "mode": "balanced",
                    "moderation_level": "conservative",
                    "num_samples": 3,
                    "segmentation_free": False,
                },
            ),
        ),
        ("run-tryon-max", try_on_work(seed=42, config={"model_name": "tryon-max"}, **_PROMPT)),
        (
            "run-tryon-max-every-option",
            try_on_work(
                seed=42,
                width=1600,
                height=900,
                config={
                    "model_name": "tryon-max",
                    "num_images": 2,
                    "resolution": "4k",
                    "generation_mode": "quality",
                },
                **_PROMPT,
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_try_on_is_requested_as_fashns_client_does(
    fal: OpenSandbox, objects: MemoryObjectStore, name: str, work: RemoteWork
) -> None:
    golden = _golden(f"fashn/{name}")
    await store_inputs(objects)
    async with fashn_activities(fal, objects) as activities:
        await take(activities, work)
    (entry,) = fal.ledger.entries.values()
    inputs = _without_pictures(entry.input)
    assert {"model_name": entry.app, "inputs": inputs} == golden["body"]
    assert fal.ledger.requests == {_request_line(golden): 1}
    assert fal.ledger.strays == []


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("creative", refine_work(upscale_factor=4, upscale_prompt="studio light")),
        (
            "creative-every-option",
            refine_work(
                _CREATIVE,
                {
                    "creativity": 1,
                    "hdr": -2,
                    "resemblance": 3,
                    "fractality": -4,
                    "engine": "magnific_sharpy",
                    "optimized_for": "films_n_photography",
                    "defaultPrompt": "a default",
                },
            ),
        ),
        ("precision", refine_work(_PRECISION, upscale_factor=4)),
        (
            "precision-every-option",
            refine_work(
                _PRECISION,
                {"sharpen": 1, "smart_grain": 2, "ultra_detail": 3},
                upscale_factor=3,
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_upscaling_is_requested_as_magnific_documents(
    fal: OpenSandbox, objects: MemoryObjectStore, name: str, work: RemoteWork
) -> None:
    golden = _golden(f"magnific/{name}")
    await store_inputs(objects)
    flavor = golden["body"].get("flavor", "photo")
    async with magnific_activities(fal, objects, flavor=flavor) as activities:
        await take(activities, work)
    (entry,) = fal.ledger.entries.values()
    assert _without_pictures(entry.input) == golden["body"]
    assert fal.ledger.requests == {_request_line(golden): 1}
    assert fal.ledger.strays == []


async def test_the_status_is_requested_by_id(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    await store_inputs(objects)
    async with fashn_activities(fal, objects) as fashn, magnific_activities(fal, objects) as other:
        await wait_for(fashn, await take(fashn, try_on_work({"poll_interval": 1})))
        await wait_for(other, await take(other, refine_work(_PRECISION)))
    for name in ("fashn/status", "magnific/status"):
        assert fal.ledger.requests[_request_line(_golden(name))] == 2
