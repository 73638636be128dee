"""Finished tiles in the object store, and the digest that identifies a refinement."""

from typing import Any

import pytest

from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.refinement.tiles import S3TileStore, tile_digest
from shared.contracts.checks import Scores, TileReport
from shared.contracts.refinement import RefineConfig, RefineInputs, TiledRefinerConfig
from tests.fakes.object_store import MemoryObjectStore

_FOLDER = "refines/7"
_REPORT = TileReport(
    index=3,
    attempts=2,
    passed=False,
    ssim=0.512346,
    tries=[Scores(ssim=0.3), Scores(ssim=0.512346)],
)
_INPUTS = RefineInputs(base_image_url="uploads/a.png", upscale_factor=2)


async def test_tile_comes_back_with_its_report() -> None:
    objects = MemoryObjectStore()
    store = S3TileStore(objects, _FOLDER, "d1")
    assert await store.load("003") is None
    await store.save("003", b"png", _REPORT)
    assert await store.load("003") == (b"png", _REPORT)
    assert list(objects.objects) == [f"{_FOLDER}/tiles/d1/003.png"]


async def test_tile_is_not_found_under_another_digest() -> None:
    objects = MemoryObjectStore()
    await S3TileStore(objects, _FOLDER, "d1").save("003", b"png", _REPORT)
    assert await S3TileStore(objects, _FOLDER, "d2").load("003") is None


async def test_tile_without_a_readable_report_is_edited_again() -> None:
    objects = MemoryObjectStore()
    await objects.put(f"{_FOLDER}/tiles/d1/003.png", b"png", "image/png", {"report": "?"})
    assert await S3TileStore(objects, _FOLDER, "d1").load("003") is None


async def test_the_longest_report_fits_into_an_objects_metadata() -> None:
    scores = Scores(ssim=0.123456, lpips=0.123456, dists=0.123456)
    report = TileReport(index=12, attempts=11, passed=False, tries=[scores] * 11, **dict(scores))
    objects = MemoryObjectStore()
    await S3TileStore(objects, _FOLDER, "d1").save("012", b"png", report)
    (_, info), *_ = objects.objects.values()
    assert sum(len(key) + len(value) for key, value in info.metadata.items()) < 1024


def _digest(
    source: bytes = b"source", side: int = 64, traits: tuple[str, ...] = (), **changes: Any
) -> str:
    config = TiledRefinerConfig(**changes.pop("refiner", {}))
    inputs = _INPUTS.model_copy(update=changes)
    engine = IdentityEngine(edit_side_px=side)
    return tile_digest([source], inputs, config, engine=engine, traits=traits)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": b"other"},
        {"side": 128},
        {"traits": ("instruct",)},
        {"upscale_factor": 3},
        {"upscale_prompt": "silk"},
        {"upscale_denoise": 0.5},
        {"upscale_steps": 3},
        {"upscale_seed": 4},
        {"face_detail_enabled": True},
        {"face_detail_denoise": 0.5},
        {"refiner": {"num_tiles": 4}},
        {"refiner": {"feather_px": 8}},
        {"refiner": {"max_retries": 0}},
        {"refiner": {"ssim_threshold": 0.9}},
        {"refiner": {"version": "1"}},
        {"refiner": {"face_expand_percent": 1}},
    ],
)
def test_digest_follows_everything_that_changes_pixels(changes: dict[str, Any]) -> None:
    assert _digest(**changes) != _digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"base_image_url": "uploads/copy.png"},
        {"config": RefineConfig(strict_checks=True)},
        {"refiner": {"max_workers": 3}},
        {"refiner": {"save_debug_tiles": True}},
    ],
)
def test_digest_ignores_what_does_not(changes: dict[str, Any]) -> None:
    assert _digest(**changes) == _digest()
