"""Version 1 and face detail compared with version 2: faces, colours, resolutions."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.refinement.refiner import FACE_PROMPT
from inference_worker.vision.protocols import Box
from shared.errors import ConsistencyError, InvalidInputError
from shared.flux.engine import Edit
from tests.fakes.engine import PaintingEngine, noisy
from tests.fakes.people import FakePeople
from tests.fixtures.refining import Bench, refine_inputs

_FACE = Box(0.3, 0.2, 0.5, 0.5)


class MarkingEngine(PaintingEngine):
    """An engine that replaces pictures by noise, and records its inputs."""

    def __init__(self, *, noise: int = 10, side_px: int = 256) -> None:
        super().__init__(edit_side_px=side_px)
        self.edits: list[tuple[tuple[int, int], Edit]] = []
        self._noise = noise

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        self.edits.append((image.size, edit))
        return noisy(image, edit.seed, self._noise)


@pytest.fixture
def bench(engine_executor: Executor, cpu: CpuThreads) -> Callable[..., Bench]:
    def build(engine: IdentityEngine | None = None) -> Bench:
        people = FakePeople(face_boxes=[_FACE])
        return Bench(engine or MarkingEngine(), engine_executor, cpu, people)

    return build


@pytest.fixture(scope="module")
def smooth() -> Image.Image:
    rows, columns = np.mgrid[0:96, 0:120]
    waves = 128 + 60 * np.sin(columns / 5) + 50 * np.cos(rows / 7)
    return Image.fromarray(np.stack([waves, waves[:, ::-1], waves[::-1]], axis=2).astype(np.uint8))


async def test_version_1_edits_faces_separately_and_version_2_does_not(
    bench: Any, smooth: Image.Image
) -> None:
    first, second = bench(), bench()
    refined = await first.refine(smooth, version="1", num_tiles=4)
    assert [face.index for face in refined.faces] == [len(refined.tiles)]
    assert len(first.engine.edits) == len(refined.tiles) + 1
    assert first.people.asked == ["faces"]

    plain = await second.refine(smooth, version="2", num_tiles=4)
    assert plain.faces == []
    assert len(second.engine.edits) == len(plain.tiles)
    assert second.people.asked == []


async def test_finished_faces_are_checkpoints(bench: Any, smooth: Image.Image) -> None:
    whole = bench()
    refined = await whole.refine(smooth, version="1", num_tiles=4)
    again = bench()
    again.objects = whole.objects
    repeated = await again.refine(smooth, version="1", num_tiles=4)
    assert again.engine.edits == []
    assert (repeated.faces, repeated.tiles) == (refined.faces, refined.tiles)
    assert repeated.image.tobytes() == refined.image.tobytes()


@pytest.mark.parametrize(("percent", "size"), [(0, (48, 58)), (0.5, (72, 87)), (1.0, (96, 116))])
async def test_face_expand_percent_enlarges_what_is_edited(
    bench: Any, smooth: Image.Image, percent: float, size: tuple[int, int]
) -> None:
    run = bench()
    await run.refine(smooth, version="1", num_tiles=1, face_expand_percent=percent)
    (box,) = [key for key in run.objects.objects if "face_" in key]
    left, top, right, bottom = map(int, box.rpartition("face_")[2].removesuffix(".png").split("_"))
    assert (right - left, bottom - top) == pytest.approx(size, abs=2)


async def test_version_1_edits_at_the_size_of_the_tile_and_version_2_at_the_largest(
    bench: Any, smooth: Image.Image
) -> None:
    first, second = bench(), bench()
    for run, version in ((first, "1"), (second, "2")):
        run.people.face_boxes = []
        await run.refine(smooth, version=version, num_tiles=9)
    assert {max(size) for size, _ in first.engine.edits} == {128}
    assert {max(size) for size, _ in second.engine.edits} == {256}


async def test_each_version_has_its_colour_matching(bench: Any, smooth: Image.Image) -> None:
    first, second = bench(MarkingEngine(side_px=64)), bench(MarkingEngine(side_px=64))
    for run in (first, second):
        run.people.face_boxes = []
    lab = await first.refine(smooth, version="1", num_tiles=1)
    histograms = await second.refine(smooth, version="2", num_tiles=1)
    assert lab.image.tobytes() != histograms.image.tobytes()
    source = np.asarray(smooth.resize(lab.image.size, Image.Resampling.LANCZOS))
    ranked, *others = [
        np.sort(np.asarray(pixels, int).reshape(-1, 3), axis=0)
        for pixels in (source, histograms.image, lab.image)
    ]
    by_histograms, by_lab = [np.abs(other - ranked).mean() for other in others]
    assert by_histograms < by_lab


async def test_face_detail_has_parameters_of_its_own(bench: Any, smooth: Image.Image) -> None:
    run = bench()
    detail = {
        "face_detail_enabled": True,
        "face_detail_prompt": "freckles",
        "face_detail_denoise": 0.2,
        "face_detail_steps": 7,
        "face_detail_seed": 5,
    }
    refined = await run.refine(smooth, refine_inputs(**detail, upscale_prompt="wool"), num_tiles=1)
    edits = {edit.prompt: edit for _, edit in run.engine.edits}
    assert set(edits) == {"wool", "freckles"}
    assert (edits["freckles"].strength, edits["freckles"].num_steps) == (0.2, 7)
    assert len(refined.faces) == 1

    other = bench()
    await other.refine(smooth, refine_inputs(**(detail | {"face_detail_seed": 6})), num_tiles=1)
    seeds = [{e.seed for _, e in b.engine.edits if e.prompt == "freckles"} for b in (run, other)]
    assert seeds[0].isdisjoint(seeds[1])


async def test_face_detail_without_a_prompt_uses_a_default(bench: Any, smooth: Image.Image) -> None:
    run = bench()
    await run.refine(smooth, refine_inputs(face_detail_enabled=True), num_tiles=1)
    assert FACE_PROMPT in {edit.prompt for _, edit in run.engine.edits}


async def test_face_detail_alone_leaves_the_rest_of_the_picture(
    bench: Any, smooth: Image.Image
) -> None:
    run = bench()
    inputs = {"face_detail_enabled": True, "upscale_enabled": False}
    refined = await run.refine(smooth, refine_inputs(**inputs), feather_px=4)
    assert refined.tiles == []
    assert len(run.engine.edits) == 1
    changed = (np.asarray(refined.image) != np.asarray(smooth)).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert columns.min() >= 120 * 0.24
    assert columns.max() <= 120 * 0.56
    assert rows.max() <= 96 * 0.6


async def test_picture_without_faces_is_refined(bench: Any, smooth: Image.Image) -> None:
    run = bench()
    run.people.face_boxes = []
    refined = await run.refine(smooth, version="1", num_tiles=4)
    assert refined.faces == []
    assert refined.tiles


async def test_scores_of_every_try_are_reported(bench: Any, smooth: Image.Image) -> None:
    run = bench(MarkingEngine(noise=40, side_px=64))
    refined = await run.refine(
        smooth, num_tiles=1, ssim_threshold=1, lpips_threshold=0.9, max_retries=2
    )
    (tile,) = refined.tiles
    assert len(tile.tries) == tile.attempts == 3
    assert tile.ssim == max(one.ssim or 0 for one in tile.tries)
    assert all(one.lpips is not None and one.dists is None for one in tile.tries)
    assert "stlpips" in str(refined.weights.lpips)


@pytest.mark.parametrize(
    ("metric", "threshold"), [("ssim", 0.999), ("lpips", 0.0001), ("dists", 0.0001)]
)
async def test_each_threshold_decides(
    bench: Any, smooth: Image.Image, metric: str, threshold: float
) -> None:
    off = {"ssim_threshold": 0, "lpips_threshold": 0, "dists_threshold": 0}
    strict = {"config": {"strict_checks": True}}
    config = off | {f"{metric}_threshold": threshold, "max_retries": 0}
    with pytest.raises(ConsistencyError, match=f"{metric}_threshold {threshold}"):
        await bench(MarkingEngine(noise=30, side_px=64)).refine(
            smooth, refine_inputs(**strict), num_tiles=1, **config
        )


async def test_face_detail_out_of_range_names_its_field(bench: Any, smooth: Image.Image) -> None:
    with pytest.raises(InvalidInputError, match="face_detail_denoise"):
        await bench().refine(smooth, refine_inputs(face_detail_denoise=2))


class CastingEngine(PaintingEngine):
    """An engine that shifts colours by up to 8 levels, differently each time."""

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        shift = np.random.default_rng(edit.seed).integers(-8, 9, 3)
        return Image.fromarray(np.clip(np.asarray(image, int) + shift, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_seam_shows_where_tiles_meet(
    bench: Any, photo_with_grain: Image.Image, version: str, seed: int
) -> None:
    run = bench(CastingEngine(edit_side_px=64))
    run.people.face_boxes = []
    refined = await run.refine(
        photo_with_grain,
        refine_inputs(upscale_factor=1.0, upscale_seed=seed),
        version=version,
        num_tiles=9,
        feather_px=16,
    )
    pixels = np.asarray(refined.image, float)
    across = np.abs(np.diff(pixels, axis=1)).mean(axis=(0, 2))
    down = np.abs(np.diff(pixels, axis=0)).mean(axis=(1, 2))
    borders = [64, 128]
    at = np.concatenate(
        [steps[border - 9 : border + 8] for steps in (across, down) for border in borders]
    )
    inside = np.concatenate(
        [steps[border - 40 : border - 23] for steps in (across, down) for border in (64, 128, 192)]
    )
    assert at.mean() <= 1.05 * inside.mean()


@pytest.fixture(scope="module")
def photo_with_grain() -> Image.Image:
    """A picture of 192 × 192 pixels of uniform texture, on which a seam would show."""
    rng = np.random.default_rng(7)
    ground = (
        np.array([120, 140, 110])
        + rng.normal(0, 6, (192, 192, 1))
        + rng.normal(0, 3, (192, 192, 3))
    )
    return Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "inputs", [{}, {"face_detail_enabled": True, "upscale_enabled": False}], ids=["tiles", "faces"]
)
async def test_feather_px_decides_how_parts_fade(
    bench: Any, smooth: Image.Image, inputs: dict[str, Any]
) -> None:
    pictures = [
        (await bench().refine(smooth, refine_inputs(**inputs), num_tiles=4, feather_px=px)).image
        for px in (0, 8)
    ]
    assert pictures[0].tobytes() != pictures[1].tobytes()
