"""Plans on whole models: offloading changes no pixel, and tiling hardly any."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inference_worker.engine.model_store import ModelStore, OpenedModel
from inference_worker.profiles.plan import PROFILES, ExecutionPlan
from inference_worker.settings import InferenceSettings, OffloadKind, ProfileKind
from shared.flux.kinds import DeviceKind
from shared.flux.pipeline.conditioning import Conditioning
from shared.flux.pipeline.prepare import cpu_generator

_NEVER = threading.Event()
_BALANCED = replace(PROFILES[ProfileKind.BALANCED], compile_backend="aot_eager")
_FAST_ON_CPU = replace(_BALANCED, cache_threshold=0.02)


def _open(folder: Path, plan: ExecutionPlan) -> OpenedModel:
    return ModelStore(InferenceSettings(device=DeviceKind.CPU), plan).open(str(folder))


@torch.inference_mode()
def _picture(opened: OpenedModel, *, negative: str = "", image: Any = None) -> Image.Image:
    blocks = opened.model
    conditioning = Conditioning(
        blocks.embed("a red dress"), 3.5, blocks.embed(negative) if negative else None, 2.0
    )
    generator = cpu_generator(5)
    start = (
        blocks.start_from_noise((64, 48), 4, generator)
        if image is None
        else blocks.start_from_image(image, strength=0.8, num_steps=4, generator=generator)
    )
    assert start is not None
    latents = blocks.denoise(start, conditioning, on_step=lambda _, __: None, cancel=_NEVER)
    return blocks.decode(latents, (64, 48))


def _difference(one: Image.Image, other: Image.Image) -> int:
    """Return the largest difference of a pixel, in levels of 255."""
    first, second = (np.asarray(picture, np.int16) for picture in (one, other))
    return int(np.abs(first - second).max())


@pytest.fixture(scope="module")
def plain(tiny_flux_folder: Path) -> OpenedModel:
    return _open(tiny_flux_folder, ExecutionPlan())


def test_balanced_gives_the_pictures_of_quality(tiny_flux_folder: Path, plain: OpenedModel) -> None:
    balanced = _open(tiny_flux_folder, _BALANCED)
    assert _difference(_picture(balanced), _picture(plain)) <= 1
    torch.compiler.reset()


@pytest.mark.long
def test_fast_without_fp8_gives_nearly_the_pictures_of_quality(
    tiny_flux_folder: Path, plain: OpenedModel
) -> None:
    fast = _open(tiny_flux_folder, _FAST_ON_CPU)
    for negative in ("", "blurry, low quality"):
        made = _picture(fast, negative=negative)
        assert _difference(made, _picture(plain, negative=negative)) <= 4
        assert _difference(made, _picture(fast, negative=negative)) == 0
    torch.compiler.reset()


def test_cached_runs_are_independent(tiny_flux_folder: Path) -> None:
    cached = _open(tiny_flux_folder, ExecutionPlan(cache_threshold=1.0))
    alone = _picture(cached)
    _picture(cached, negative="blurry, low quality")
    assert _difference(_picture(cached), alone) == 0


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(ExecutionPlan(), id="quality"),
        pytest.param(_FAST_ON_CPU, id="fast", marks=pytest.mark.long),
    ],
)
def test_offloaded_weights_change_no_pixel(
    tiny_flux_folder: Path, photo: Image.Image, plan: ExecutionPlan
) -> None:
    image = photo.resize((64, 48))
    resident = _open(tiny_flux_folder, plan)
    offloaded = _open(tiny_flux_folder, replace(plan, offload=OffloadKind.GROUP))
    for given in (None, image):
        assert _difference(_picture(offloaded, image=given), _picture(resident, image=given)) == 0
    torch.compiler.reset()


def test_tiles_begin_above_their_side(tiny_flux_folder: Path, plain: OpenedModel) -> None:
    whole = _picture(plain)
    fits = _open(tiny_flux_folder, ExecutionPlan(vae_tile_px=64))
    assert _difference(_picture(fits), whole) == 0
    untiled = _open(tiny_flux_folder, ExecutionPlan(vae_tile_px=0))
    assert _difference(_picture(untiled), whole) == 0
    tiled = _open(tiny_flux_folder, ExecutionPlan(vae_tile_px=32))
    assert _picture(tiled).size == whole.size
    assert _difference(_picture(tiled), whole) > 0
