"""The tiled refiner over engines that count, repaint, fail or are cancelled."""

import asyncio
import threading
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.refinement import refiner, region_editing, tile_editor
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tile_editor import tile_seed
from inference_worker.refinement.tiles import S3TileStore
from inference_worker.upscaling.upscaler import LANCZOS
from inference_worker.vision.protocols import Box
from shared.contracts.refinement import RefineConfig, TiledRefinerConfig
from shared.errors import ConsistencyError, InvalidInputError, ResourceError
from shared.flux.engine import Edit
from shared.pixels.images import encode_png
from tests.fakes.engine import PaintingEngine, noisy
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.refining import Bench, refine_inputs

_SIDE_PX = 64


class RepaintingEngine(PaintingEngine):
    """An engine that adds seeded noise, and records the edits; may fail or stop at one."""

    def __init__(self, *, noise: int = 12, fails_at: int = -1, spoils_tries: int = 0) -> None:
        super().__init__(edit_side_px=_SIDE_PX)
        self.edits: list[Edit] = []
        self._noise = noise
        self._fails_at = fails_at
        self._spoilt_seeds = {
            tile_seed(1, index, attempt) for index in (0, 4) for attempt in range(spoils_tries)
        }

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        if len(self.edits) == self._fails_at:
            raise ResourceError("no memory left")
        self.edits.append(edit)
        return noisy(image, edit.seed, 120 if edit.seed in self._spoilt_seeds else self._noise)


@given(
    width=st.integers(16, 120),
    height=st.integers(16, 120),
    version=st.sampled_from(["1", "2"]),
    face=st.tuples(*[st.floats(0, 1)] * 4),
    factor=st.sampled_from([1.0, 1.3, 2.0]),
    num_tiles=st.integers(1, 12),
    feather_px=st.integers(0, 64),
    seed=st.integers(0, 100),
)
def test_identity_editor_gives_the_upscaled_picture_exactly(
    engine_executor: Executor,
    cpu: CpuThreads,
    *,
    width: int,
    height: int,
    version: str,
    face: tuple[float, float, float, float],
    factor: float,
    num_tiles: int,
    feather_px: int,
    seed: int,
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    base = Image.fromarray(noise)
    run = Bench(IdentityEngine(edit_side_px=_SIDE_PX), engine_executor, cpu)
    run.people.face_boxes = [
        Box(min(face[0], face[2]), min(face[1], face[3]), max(face[0], face[2]), max(face[1::2]))
    ]
    config: Any = {"num_tiles": num_tiles, "feather_px": feather_px, "version": version}
    refined = asyncio.run(run.refine(base, refine_inputs(upscale_factor=factor), **config))
    assert len(refined.faces) == (version == "1")
    size = (round(width * factor), round(height * factor))
    plain = base.resize(size, Image.Resampling.LANCZOS)
    assert refined.image.tobytes() == plain.tobytes()
    assert all(tile.passed and tile.attempts == 1 and tile.ssim == 1 for tile in refined.tiles)


async def test_edits_reach_the_picture_with_the_requested_parameters(
    bench: Any, smooth: Image.Image
) -> None:
    engine = RepaintingEngine()
    inputs = refine_inputs(upscale_denoise=0.4, upscale_prompt="silk")
    refined = await bench(engine).refine(smooth, inputs, num_tiles=9)
    assert [tile.index for tile in refined.tiles] == list(range(9))
    assert {(edit.prompt, edit.strength, edit.num_steps) for edit in engine.edits} == {
        ("silk", 0.4, 2)
    }
    assert {edit.seed for edit in engine.edits} == {tile_seed(1, index, 0) for index in range(9)}
    plain = smooth.resize((160, 128), Image.Resampling.LANCZOS)
    difference = np.abs(np.asarray(refined.image, int) - np.asarray(plain, int))
    assert 0 < difference.mean() < 12


async def test_failing_tile_is_tried_with_new_seeds(bench: Any, smooth: Image.Image) -> None:
    engine = RepaintingEngine(spoils_tries=2)
    refined = await bench(engine).refine(smooth, num_tiles=9)
    tries = {tile.index: tile.attempts for tile in refined.tiles}
    assert tries == {index: 3 if index in (0, 4) else 1 for index in range(9)}
    assert all(tile.passed and (tile.ssim or 0) >= 0.6 for tile in refined.tiles)
    assert len({edit.seed for edit in engine.edits}) == 13


async def test_best_try_is_kept_when_none_passes(bench: Any, smooth: Image.Image) -> None:
    engine = RepaintingEngine(spoils_tries=1)
    refined = await bench(engine).refine(smooth, num_tiles=9, ssim_threshold=1, max_retries=2)
    assert all(not tile.passed and tile.attempts == 3 for tile in refined.tiles)
    kept = await bench(RepaintingEngine()).refine(smooth, num_tiles=9, ssim_threshold=0)
    # The bad first try of tile 0 was discarded: its score equals that of a good tile.
    assert min(tile.ssim or 0 for tile in refined.tiles) > 0.6
    assert all(tile.passed and tile.ssim is None for tile in kept.tiles)


async def test_strict_checks_fail_the_refinement(bench: Any, smooth: Image.Image) -> None:
    strict = refine_inputs(config=RefineConfig(strict_checks=True))
    with pytest.raises(ConsistencyError, match=r"tile 0 failed its checks 2 times.*best SSIM 0\."):
        await bench(RepaintingEngine()).refine(
            smooth, strict, num_tiles=9, ssim_threshold=1, max_retries=1, max_workers=1
        )


async def test_interrupted_run_resumes_with_the_missing_tiles_and_gives_the_same_bytes(
    bench: Any, smooth: Image.Image
) -> None:
    whole = await bench(RepaintingEngine()).refine(smooth, num_tiles=9)
    cut = bench(RepaintingEngine(fails_at=4))
    with pytest.raises(ResourceError):
        await cut.refine(smooth, num_tiles=9, max_workers=1)
    assert len(cut.objects.objects) == 4

    engine = RepaintingEngine()
    resumed = bench(engine)
    resumed.objects = cut.objects
    again = await resumed.refine(smooth, num_tiles=9)
    assert {edit.seed for edit in engine.edits} == {tile_seed(1, i, 0) for i in range(4, 9)}
    assert len(engine.edits) == 5
    assert encode_png(again.image) == encode_png(whole.image)
    assert again.tiles == whole.tiles


async def test_cancelled_run_keeps_its_tiles_and_leaves_the_engine_idle(
    bench: Any, engine_executor: Executor, smooth: Image.Image
) -> None:
    run = bench(IdentityEngine(edit_side_px=_SIDE_PX, step_s=0.01))
    saved = asyncio.Event()

    class Announcing(MemoryObjectStore):
        async def put(self, key: str, *rest: Any) -> None:
            await super().put(key, *rest)
            saved.set()

    run.objects = Announcing()
    running = asyncio.create_task(run.refine(smooth, num_tiles=9))
    await saved.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    num_saved, num_reports = len(run.objects.objects), len(run.fractions)
    engine_executor.submit(lambda: None).result(timeout=1)
    await asyncio.sleep(0.05)
    assert (len(run.objects.objects), len(run.fractions)) == (num_saved, num_reports)


@pytest.mark.parametrize(("max_workers", "expected"), [(1, 1), (3, 3), (None, 9)])
async def test_max_workers_bounds_the_tiles_in_flight(
    bench: Any, smooth: Image.Image, max_workers: int | None, expected: int
) -> None:
    run = bench(IdentityEngine(edit_side_px=_SIDE_PX, step_s=0.001))
    running: set[str] = set()
    most = 0

    class Watched(S3TileStore):
        async def load(self, name: str) -> Any:
            nonlocal most
            running.add(name)
            most = max(most, len(running))
            return await super().load(name)

        async def save(self, name: str, png: bytes, report: Any) -> None:
            await super().save(name, png, report)
            running.discard(name)

    await run._refiner.refine(
        smooth,
        refine_inputs(),
        TiledRefinerConfig(num_tiles=9, max_workers=max_workers),
        Run(Watched(run.objects, "refines/1", "digest"), run.fractions.append),
    )
    assert most == expected


async def test_progress_rises_from_steps_to_the_end(bench: Any, smooth: Image.Image) -> None:
    run = bench(RepaintingEngine(spoils_tries=2))
    await run.refine(smooth, num_tiles=9)
    assert run.fractions == sorted(run.fractions)
    assert run.fractions[-1] == 1
    assert len(set(run.fractions)) > 20


async def test_event_loop_stays_free(
    bench: Any, smooth: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long work runs on another thread."""
    threads: dict[str, int] = {}

    def noted(name: str, work: Any, *args: Any) -> Any:
        threads[name] = threading.get_ident()
        return work(*args)

    for module, name in (
        (region_editing, "encode_png"),
        (refiner, "blend"),
        (tile_editor, "apply_change"),
    ):
        monkeypatch.setattr(module, name, partial(noted, name, getattr(module, name)))
    await bench(RepaintingEngine()).refine(smooth, num_tiles=9)
    assert len(threads) == 3
    assert threading.get_ident() not in threads.values()


@pytest.mark.parametrize(
    ("inputs", "config", "named"),
    [
        ({"face_detail_denoise": -0.5}, {}, "face_detail_denoise"),
        ({"face_detail_steps": 0}, {}, "face_detail_steps"),
        ({"upscale_denoise": 1.5}, {}, "upscale_denoise"),
        ({"upscale_steps": 0}, {}, "upscale_steps"),
        ({"upscale_factor": None}, {}, "upscale_factor"),
    ],
)
async def test_invalid_parameters_name_the_field(
    bench: Any, smooth: Image.Image, inputs: dict[str, Any], config: dict[str, Any], named: str
) -> None:
    engine = RepaintingEngine()
    with pytest.raises(InvalidInputError, match=named):
        await bench(engine).refine(smooth, refine_inputs(**inputs), **config)
    assert engine.edits == []


async def test_edits_take_turns_on_the_engine(
    engine_executor: Executor, cpu: CpuThreads, smooth: Image.Image
) -> None:
    threads: set[int] = set()

    class Watched(RepaintingEngine):
        def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
            threads.add(threading.get_ident())
            return super().paint(image, edit)

    await Bench(Watched(), engine_executor, cpu).refine(smooth, num_tiles=9)
    assert len(threads) == 1


async def test_progress_goes_on_from_the_upscale_to_the_tiles(
    engine_executor: Executor, cpu: CpuThreads, photo: Image.Image
) -> None:
    class SlowUpscaler:
        def upscale(self, *args: Any, on_progress: Any, **options: Any) -> Image.Image:
            for fraction in (0, 0.5, 0.9):
                on_progress(fraction)
            return LANCZOS.upscale(*args, **options)

    bench = Bench(IdentityEngine(edit_side_px=64), engine_executor, cpu, upscaler=SlowUpscaler())
    await bench.refine(photo)
    assert bench.fractions[:3] == [0, 0.25, 0.45]
    assert bench.fractions == sorted(bench.fractions)
    assert bench.fractions[-1] == 1


class _Tinting:
    """An upscaler that adds red."""

    def upscale(self, picture: Image.Image, size: tuple[int, int], **_options: Any) -> Image.Image:
        return Image.fromarray(np.asarray(picture.resize(size)) | np.array([31, 0, 0], np.uint8))


@pytest.mark.parametrize("has_colour", [True, False])
async def test_an_upscaler_adds_no_colour_to_a_grey_picture(
    engine_executor: Executor, cpu: CpuThreads, photo: Image.Image, *, has_colour: bool
) -> None:
    engine = IdentityEngine(edit_side_px=_SIDE_PX)
    bench = Bench(engine, engine_executor, cpu, upscaler=_Tinting())
    base = photo if has_colour else photo.convert("L").convert("RGB")
    made = np.asarray((await bench.refine(base)).image, int)
    plain = np.asarray(base.resize((192, 144)), int)
    assert (made != plain).any()
    assert (made[..., 1] == made[..., 2]).all() != has_colour
    assert ((made[..., 0] == plain[..., 0] | 31).all()) == has_colour
    if not has_colour:
        assert np.ptp(made, axis=2).max() == 0
