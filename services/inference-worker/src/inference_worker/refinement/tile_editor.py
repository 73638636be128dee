"""Edits one tile, with new seeds until it passes its checks."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from PIL import Image

from inference_worker.checks.metric import ConsistencyMetric, Pixels, worst_margin
from inference_worker.cpu_threads import CpuThreads, gather
from inference_worker.refinement.colour import ColourMatch
from inference_worker.refinement.editors import ImageEditor
from inference_worker.refinement.resolution import RESAMPLING, SideChoice, apply_change, edit_size
from shared.cancellation import CancelFlag, stop_if
from shared.contracts.checks import Scores, TileReport
from shared.flux.engine import StepCallback

_SCORE_DIGITS = 6
"""Of scores in reports, which travel in an object's metadata: S3 allows those 2 KiB."""


@dataclass(frozen=True)
class EditedTile:
    """The best try at a tile."""

    pixels: Pixels
    report: TileReport


@dataclass(frozen=True)
class EditPlan:
    """How the tiles of one picture are edited and checked.

    Attributes:
        editor: edits them.
        choose_side: the longer side at which a tile of some size is edited.
        match_colours: leads an edit back to the colours of its source.
        metrics: judge it.
        max_tries: edits of a tile, the first included.
        seed: the seeds of all tries follow from it.
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
    """A tile on its way: as the editor sees it, and what was tried."""

    index: int
    source: Pixels
    shown: Image.Image
    tries: list[Scores] = field(default_factory=list[Scores])
    best: _Try = field(init=False)

    def __post_init__(self) -> None:
        self.best = _Try(self.source, Scores(), -math.inf)

    def answer(self) -> EditedTile:
        report = TileReport(
            index=self.index,
            attempts=len(self.tries),
            passed=self.best.margin >= 0,
            tries=self.tries,
            **dict(self.best.scores),
        )
        return EditedTile(self.best.pixels, report)


class TileEditor:
    """Edit, colour-match, check; again with another seed while the tile fails and tries are left.

    Args:
        plan: what is done.
        cpu: threads for everything but the model.
    """

    def __init__(self, plan: EditPlan, cpu: CpuThreads) -> None:
        self.plan = plan
        self._cpu = cpu

    async def edit(
        self, indices: Sequence[int], sources: Sequence[Pixels], on_step: StepCallback
    ) -> list[EditedTile]:
        """Edit tiles of one size together; of each, the best try is the answer if none passes.

        Args:
            indices: the tiles' numbers.
            sources: their pixels.
            on_step: hears of the steps of all.
        """
        tiles = await gather(map(self._begin, indices, sources))
        waiting = tiles
        for attempt in range(self.plan.max_tries):
            seeds = [tile_seed(self.plan.seed, tile.index, attempt) for tile in waiting]
            edited = await self.plan.editor.edit([tile.shown for tile in waiting], seeds, on_step)
            changed = await gather(map(self._carry_over, waiting, edited))
            await self._cpu.run_stoppable(partial(self._judge, waiting, changed))
            waiting = [tile for tile in waiting if tile.best.margin < 0]
            if not waiting:
                break
        return [tile.answer() for tile in tiles]

    async def _begin(self, index: int, source: Pixels) -> _Tile:
        return _Tile(index, source, await self._cpu.run(partial(self._show, source)))

    def _show(self, source: Pixels) -> Image.Image:
        tile = Image.fromarray(source)
        editor = self.plan.editor
        longer_px = self.plan.choose_side(tile.size, editor.side_px)
        size = edit_size(tile.size, longer_px=longer_px, multiple_of=editor.multiple_of)
        return tile if size == tile.size else tile.resize(size, RESAMPLING)

    async def _carry_over(self, tile: _Tile, edited: Image.Image) -> Pixels:
        def carry_over() -> Pixels:
            changed = apply_change(tile.source, tile.shown, edited)
            return self.plan.match_colours(changed, tile.source)

        return await self._cpu.run(carry_over)

    def _judge(self, tiles: Sequence[_Tile], changed: Sequence[Pixels], cancel: CancelFlag) -> None:
        metrics = self.plan.metrics
        sources = [tile.source for tile in tiles]
        by_metric: list[Sequence[float]] = []
        for metric in metrics:
            stop_if(cancel)
            by_metric.append(metric.scores(sources, changed))
        for place, (tile, pixels) in enumerate(zip(tiles, changed, strict=True)):
            scores = [of_all[place] for of_all in by_metric]
            named = {
                metric.name: round(score, _SCORE_DIGITS)
                for metric, score in zip(metrics, scores, strict=True)
            }
            judged = _Try(pixels, Scores.model_validate(named), worst_margin(metrics, scores))
            tile.tries.append(judged.scores)
            if judged.margin > tile.best.margin:
                tile.best = judged


def tile_seed(seed: int, index: int, attempt: int) -> int:
    """A seed of its own for each try at each tile, the same in every run."""
    digest = hashlib.sha256(f"{seed}:{index}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
