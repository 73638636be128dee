"""Edits one tile, with new seeds until it passes its checks."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from PIL import Image

from inference_worker.engine_thread import EngineThread
from inference_worker.pipelines.engine import Edit, StepCallback
from inference_worker.refinement.blend import Pixels
from inference_worker.refinement.checks import metrics_for, worst_margin
from inference_worker.refinement.colour import match_colours
from inference_worker.refinement.resolution import apply_change, edit_size
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig, TileReport

_T = TypeVar("_T")

_PIPELINE_DEPTH = 3
"""Tiles between resizing and judging at a time: one ahead of the engine, one in it, one behind.

More would fill memory, and keep other tasks of this worker waiting for the engine.
"""


@dataclass(frozen=True)
class EditedTile:
    """The best try at a tile."""

    pixels: Pixels
    report: TileReport


@dataclass(frozen=True)
class _Try:
    pixels: Pixels
    scores: dict[str, float]
    margin: float


class TileEditor:
    """Edit, colour-match, check; again with another seed while the tile fails and tries are left.

    Args:
        engine: the model.
        cpu: threads for everything but the model.
        inputs: prompt, denoise strength, steps and seed.
        config: thresholds and tries.

    Raises:
        InvalidInputError: the configuration asks for a metric that is not available.
    """

    def __init__(
        self, engine: EngineThread, cpu: Executor, inputs: RefineInputs, config: TiledRefinerConfig
    ) -> None:
        self._engine = engine
        self._cpu = cpu
        self._inputs = inputs
        self._max_tries = config.max_retries + 1
        self._metrics = metrics_for(config)
        self._pipeline = asyncio.Semaphore(_PIPELINE_DEPTH)

    async def edit(self, index: int, source: Pixels, on_step: StepCallback) -> EditedTile:
        """Edit a tile; the best try is the answer if none passes."""
        best: _Try | None = None
        num_tries = 0
        async with self._pipeline:
            shown = await self._on_cpu(partial(self._show, source))
            while best is None or (best.margin < 0 and num_tries < self._max_tries):
                edited = await self._engine.edit(shown, self._edit_of(index, num_tries), on_step)
                judged = await self._on_cpu(partial(self._judge, source, shown, edited))
                num_tries += 1
                if best is None or judged.margin > best.margin:
                    best = judged
        report = TileReport(index=index, attempts=num_tries, passed=best.margin >= 0, **best.scores)
        return EditedTile(best.pixels, report)

    def _show(self, source: Pixels) -> Image.Image:
        tile = Image.fromarray(source)
        engine = self._engine.engine
        size = edit_size(tile.size, longer_px=engine.edit_side_px, multiple_of=engine.multiple_of)
        return tile if size == tile.size else tile.resize(size, Image.Resampling.LANCZOS)

    def _judge(self, source: Pixels, shown: Image.Image, edited: Image.Image) -> _Try:
        pixels = match_colours(apply_change(source, shown, edited), source)
        scores = {metric.name: metric.score(source, pixels) for metric in self._metrics}
        return _Try(pixels, scores, worst_margin(self._metrics, list(scores.values())))

    def _edit_of(self, index: int, attempt: int) -> Edit:
        return Edit(
            prompt=self._inputs.upscale_prompt or "",
            strength=self._inputs.upscale_denoise,
            num_steps=self._inputs.upscale_steps,
            seed=tile_seed(self._inputs.upscale_seed, index, attempt),
        )

    async def _on_cpu(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._cpu, work)


def tile_seed(seed: int, index: int, attempt: int) -> int:
    """A seed of its own for each try at each tile, the same in every run."""
    digest = hashlib.sha256(f"{seed}:{index}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
