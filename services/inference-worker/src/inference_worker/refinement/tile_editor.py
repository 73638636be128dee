"""Edits one tile, with new seeds until it passes its checks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image

from inference_worker.checks.metric import ConsistencyMetric, Pixels, worst_margin
from inference_worker.cpu_threads import CpuThreads
from inference_worker.pipelines.engine import StepCallback
from inference_worker.refinement.colour import ColourMatch
from inference_worker.refinement.editors import ImageEditor
from inference_worker.refinement.resolution import SideChoice, apply_change, edit_size
from shared.contracts.checks import Scores, TileReport

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


class TileEditor:
    """Edit, colour-match, check; again with another seed while the tile fails and tries are left.

    Args:
        plan: what is done.
        cpu: threads for everything but the model.
    """

    def __init__(self, plan: EditPlan, cpu: CpuThreads) -> None:
        self.plan = plan
        self._cpu = cpu

    async def edit(self, index: int, source: Pixels, on_step: StepCallback) -> EditedTile:
        """Edit a tile; the best try is the answer if none passes."""
        best: _Try | None = None
        tries: list[Scores] = []
        shown = await self._cpu.run(partial(self._show, source))
        while best is None or (best.margin < 0 and len(tries) < self.plan.max_tries):
            seed = tile_seed(self.plan.seed, index, len(tries))
            edited = await self.plan.editor.edit(shown, seed, on_step)
            judged = await self._cpu.run(partial(self._judge, source, shown, edited))
            tries.append(judged.scores)
            if best is None or judged.margin > best.margin:
                best = judged
        report = TileReport(
            index=index,
            attempts=len(tries),
            passed=best.margin >= 0,
            tries=tries,
            **dict(best.scores),
        )
        return EditedTile(best.pixels, report)

    def _show(self, source: Pixels) -> Image.Image:
        tile = Image.fromarray(source)
        editor = self.plan.editor
        longer_px = self.plan.choose_side(tile.size, editor.side_px)
        size = edit_size(tile.size, longer_px=longer_px, multiple_of=editor.multiple_of)
        return tile if size == tile.size else tile.resize(size, Image.Resampling.LANCZOS)

    def _judge(self, source: Pixels, shown: Image.Image, edited: Image.Image) -> _Try:
        pixels = self.plan.match_colours(apply_change(source, shown, edited), source)
        metrics = self.plan.metrics
        scores = [metric.scores([source], [pixels])[0] for metric in metrics]
        named = {
            metric.name: round(score, _SCORE_DIGITS)
            for metric, score in zip(metrics, scores, strict=True)
        }
        return _Try(pixels, Scores.model_validate(named), worst_margin(metrics, scores))


def tile_seed(seed: int, index: int, attempt: int) -> int:
    """A seed of its own for each try at each tile, the same in every run."""
    digest = hashlib.sha256(f"{seed}:{index}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
