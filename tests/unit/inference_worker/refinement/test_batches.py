"""Batches of tiles: their composition, their retries, and resumption after an interruption."""

from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image

from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.refinement.tile_editor import tile_seed
from shared.errors import ResourceError
from shared.flux.engine import Edit
from shared.pixels.images import encode_png
from tests.fakes.engine import PaintingEngine, noisy
from tests.fixtures.refining import refine_inputs

_SIDE_PX = 64


class BatchingEngine(PaintingEngine):
    """An engine that adds seeded noise, more of it in a batch, and records the batches."""

    def __init__(
        self, *, batch: int, noise: int = 11, spoilt: Sequence[int] = (), fails_at: int = -1
    ) -> None:
        super().__init__(edit_side_px=_SIDE_PX, edit_batch=batch)
        self.runs: list[list[int]] = []
        self._noise = noise
        self._spoilt = {tile_seed(1, index, 0) for index in spoilt}
        self._fails_at = fails_at

    def edit(
        self, images: Sequence[Image.Image], edits: Sequence[Edit], **options: Any
    ) -> list[Image.Image]:
        if len(self.runs) == self._fails_at:
            raise ResourceError("no memory left")
        self.runs.append([edit.seed for edit in edits])
        return super().edit(images, edits, **options)

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        usual = self._noise + (len(self.runs[-1]) > 1)
        return noisy(image, edit.seed, 120 if edit.seed in self._spoilt else usual)


def _seeds(*indices: int, attempt: int = 0) -> list[int]:
    return [tile_seed(1, index, attempt) for index in indices]


async def test_tiles_run_in_full_batches_and_the_rest_alone(
    bench: Any, smooth: Image.Image
) -> None:
    engine = BatchingEngine(batch=4)
    refined = await bench(engine).refine(smooth, num_tiles=9)
    assert sorted(engine.runs) == sorted([_seeds(0, 1, 2, 3), _seeds(4, 5, 6, 7), _seeds(8)])
    assert [tile.index for tile in refined.tiles] == list(range(9))


async def test_only_tiles_that_fail_are_tried_again(bench: Any, smooth: Image.Image) -> None:
    engine = BatchingEngine(batch=3, spoilt=(1, 4, 5))
    refined = await bench(engine).refine(smooth, num_tiles=9)
    tries = {tile.index: tile.attempts for tile in refined.tiles}
    assert tries == {index: 2 if index in (1, 4, 5) else 1 for index in range(9)}
    again = [seeds for seeds in engine.runs if len(seeds) == 1]
    assert sorted(again) == sorted([[seed] for seed in _seeds(1, 4, 5, attempt=1)])
    assert all(tile.passed for tile in refined.tiles)


async def test_max_workers_below_a_batch_edits_tile_by_tile(
    bench: Any, smooth: Image.Image
) -> None:
    engine = BatchingEngine(batch=4)
    await bench(engine).refine(smooth, num_tiles=9, max_workers=2)
    assert sorted(engine.runs) == sorted([seed] for seed in _seeds(*range(9)))


async def test_scores_of_a_batch_are_those_of_its_tiles(bench: Any, smooth: Image.Image) -> None:
    thresholds = {"lpips_threshold": 0.9, "ssim_threshold": 0.1, "dists_threshold": 0.9}
    together = await bench(BatchingEngine(batch=9)).refine(smooth, num_tiles=9, **thresholds)
    assert len({tile.lpips for tile in together.tiles}) == 9
    alone = await bench(BatchingEngine(batch=1, noise=12)).refine(smooth, num_tiles=9, **thresholds)
    for one, other in zip(together.tiles, alone.tiles, strict=True):
        assert (one.ssim, one.lpips, one.dists) == pytest.approx(
            (other.ssim, other.lpips, other.dists), abs=1e-5
        )


async def test_interrupted_batch_is_edited_again_and_gives_the_same_bytes(
    bench: Any, smooth: Image.Image
) -> None:
    whole = await bench(BatchingEngine(batch=4)).refine(smooth, num_tiles=9)
    cut = bench(BatchingEngine(batch=4, fails_at=1))
    with pytest.raises(ResourceError):
        await cut.refine(smooth, num_tiles=9, max_workers=4)
    names = sorted(cut.objects.objects)
    assert len(names) == 4
    del cut.objects.objects[names[2]]
    kept = {name: cut.objects.objects[name] for name in (names[0], names[1], names[3])}

    engine = BatchingEngine(batch=4)
    resumed = bench(engine)
    resumed.objects = cut.objects
    again = await resumed.refine(smooth, num_tiles=9)
    assert _seeds(0, 1, 2, 3) in engine.runs
    assert encode_png(again.image) == encode_png(whole.image)
    assert again.tiles == whole.tiles
    assert {name: resumed.objects.objects[name] for name in kept} == kept


async def test_progress_of_a_batch_rises_to_the_end(bench: Any, smooth: Image.Image) -> None:
    run = bench(IdentityEngine(edit_side_px=_SIDE_PX, edit_batch=4))
    await run.refine(smooth, refine_inputs(upscale_steps=5), num_tiles=9)
    assert run.fractions == sorted(run.fractions)
    assert run.fractions[-1] == 1
    assert len(set(run.fractions)) > 10
