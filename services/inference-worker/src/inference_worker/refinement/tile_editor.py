"""Editing of tiles, with retries under new seeds until their checks pass."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from PIL import Image

from inference_worker.checks.metric import ConsistencyMetric, Pixels, worst_margin
from inference_worker.cpu_threads import CpuThreads, gather
from inference_worker.refinement.colour import ColourMatch
from inference_worker.refinement.editors import ImageEditor, TileTry
from inference_worker.refinement.resolution import RESAMPLING, SideChoice, apply_change
from shared.cancellation import CancelFlag, stop_if
from shared.contracts.checks import Scores, TileReport
from shared.flux.engine import StepCallback

_SCORE_DIGITS = 6
"""Digits of scores in reports, which are stored as object metadata: S3 allows 2 KiB of it."""


@dataclass(frozen=True)
class EditedTile:
    """The best edit of a tile, with its report."""

    pixels: Pixels
    report: TileReport


@dataclass(frozen=True)
class EditPlan:
    """The parameters for editing and checking the tiles of one picture.

    Attributes:
        editor: edits them.
        choose_side: returns the longer side at which to edit a tile.
        match_colours: matches the colours of an edit to its source.
        metrics: score it.
        max_tries: edits per tile, including the first.
        seed: seed from which the seeds of all tries are derived.
    """

    editor: ImageEditor
    choose_side: SideChoice
    match_colours: ColourMatch
    metrics: Sequence[ConsistencyMetric]
    max_tries: int
    seed: int


@dataclass(frozen=True)
class _Try:
    pixels: Pixels
    scores: Scores
    margin: float


@dataclass
class _Tile:
    """The state of a tile: its picture at the editor's resolution, and its tries."""

    index: int
    source: Pixels
    shown: Image.Image
    side_px: int
    tries: list[Scores] = field(default_factory=list[Scores])
    best: _Try = field(init=False)

    def __post_init__(self) -> None:
        self.best = _Try(self.source, Scores(), -math.inf)

    def result(self) -> EditedTile:
        report = TileReport(
            index=self.index,
            attempts=len(self.tries),
            passed=self.best.margin >= 0,
            tries=self.tries,
            **dict(self.best.scores),
        )
        return EditedTile(self.best.pixels, report)


class TileEditor:
    """Editor of tiles: edit, match colours, check; retry failed tiles with another seed.

    Args:
        plan: the parameters.
        cpu: threads for all work outside the model.
    """

    def __init__(self, plan: EditPlan, cpu: CpuThreads) -> None:
        self.plan = plan
        self._cpu = cpu

    async def edit(
        self, indices: Sequence[int], sources: Sequence[Pixels], on_step: StepCallback
    ) -> list[EditedTile]:
        """Edit tiles of one size together; if no try of a tile passes, return its best one.

        Args:
            indices: the tiles' numbers.
            sources: their pixels.
            on_step: called after each denoise step, counted over all tiles.
        """
        tiles = await gather(map(self._prepare, indices, sources))
        waiting = tiles
        for attempt in range(self.plan.max_tries):
            tries = [self._try(tile, attempt) for tile in waiting]
            edited = await self.plan.editor.edit([tile.shown for tile in waiting], tries, on_step)
            changed = await gather(map(self._apply, waiting, edited))
            await self._cpu.run_stoppable(partial(self._score, waiting, changed))
            waiting = [tile for tile in waiting if tile.best.margin < 0]
            if not waiting:
                break
        return [tile.result() for tile in tiles]

    async def _prepare(self, index: int, source: Pixels) -> _Tile:
        height, width = source.shape[:2]
        side_px = self.plan.choose_side((width, height), self.plan.editor.side_px)
        shown = await self._cpu.run(partial(self._resize, source, side_px))
        return _Tile(index, source, shown, side_px)

    def _resize(self, source: Pixels, side_px: int) -> Image.Image:
        tile = Image.fromarray(source)
        size = self.plan.editor.shown_size(tile.size, side_px)
        return tile if size == tile.size else tile.resize(size, RESAMPLING)

    def _try(self, tile: _Tile, attempt: int) -> TileTry:
        return TileTry(
            index=tile.index,
            number=attempt + 1,
            seed=tile_seed(self.plan.seed, tile.index, attempt),
            picture_seed=self.plan.seed,
            side_px=tile.side_px,
        )

    async def _apply(self, tile: _Tile, edited: Image.Image) -> Pixels:
        def apply() -> Pixels:
            changed = apply_change(tile.source, tile.shown, edited)
            return self.plan.match_colours(changed, tile.source)

        return await self._cpu.run(apply)

    def _score(self, tiles: Sequence[_Tile], changed: Sequence[Pixels], cancel: CancelFlag) -> None:
        metrics = self.plan.metrics
        sources = [tile.source for tile in tiles]
        by_metric: list[Sequence[float]] = []
        for metric in metrics:
            stop_if(cancel)
            by_metric.append(metric.scores(sources, changed))
        for place, (tile, pixels) in enumerate(zip(tiles, changed, strict=True)):
            scores = [of_tiles[place] for of_tiles in by_metric]
            named = {
                metric.name: round(score, _SCORE_DIGITS)
                for metric, score in zip(metrics, scores, strict=True)
            }
            candidate = _Try(pixels, Scores.model_validate(named), worst_margin(metrics, scores))
            tile.tries.append(candidate.scores)
            if candidate.margin > tile.best.margin:
                tile.best = candidate


def tile_seed(seed: int, index: int, attempt: int) -> int:
    """Derive a seed for each try of each tile, the same in every run."""
    digest = hashlib.sha256(f"{seed}:{index}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
