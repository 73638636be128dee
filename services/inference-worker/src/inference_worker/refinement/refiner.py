"""The tiled refiner: `sartiq_ultimate_refiner` version 2 with the local model as its editor."""

import asyncio
import io
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from inference_worker.engine_thread import EngineThread
from inference_worker.images import encode_png
from inference_worker.refinement.blend import Pixels, blend
from inference_worker.refinement.grid import Tile, lay_grid
from inference_worker.refinement.progress import RefineProgress
from inference_worker.refinement.target_size import target_size, upscale
from inference_worker.refinement.tile_editor import EditedTile, TileEditor
from inference_worker.refinement.tiles import TileStore
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig, TileReport
from shared.errors import ConsistencyError, InvalidInputError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Refined:
    """The picture, and how its tiles fared."""

    image: Image.Image
    tiles: list[TileReport]


class TiledRefiner:
    """Upscale, edit tile by tile, check each against its source, blend.

    Finished tiles go to the store at once: a refinement that was cut off goes on from there, and
    gives the same bytes as one that was not.

    Args:
        engine: the model; tiles take turns on it, while others are resized, checked and stored.
        cpu: threads for everything but the model.
        max_output_pixels: largest result, width × height.
    """

    def __init__(self, engine: EngineThread, cpu: Executor, *, max_output_pixels: int) -> None:
        self._engine = engine
        self._cpu = cpu
        self._max_output_pixels = max_output_pixels

    async def refine(
        self,
        base: Image.Image,
        inputs: RefineInputs,
        config: TiledRefinerConfig,
        *,
        store: TileStore,
        on_progress: Callable[[float], None],
    ) -> Refined:
        """Refine one RGB picture.

        Raises:
            InvalidInputError: it cannot be done as asked; the message names the field.
            ConsistencyError: strict checks, and a tile never passed.
        """
        _check(inputs, config)
        size = target_size(base.size, inputs, max_pixels=self._max_output_pixels)
        grid = lay_grid(size, num_tiles=config.num_tiles, feather_px=config.feather_px)
        editor = TileEditor(self._engine, self._cpu, inputs, config)
        upscaled = await self._on_cpu(lambda: np.asarray(upscale(base, size)))
        progress = RefineProgress(len(grid.tiles), on_progress)
        gate = asyncio.Semaphore(config.max_workers or len(grid.tiles))

        async def refine_tile(tile: Tile) -> EditedTile:
            async with gate:
                left, top, right, bottom = tile.box
                source = upscaled[top:bottom, left:right]
                finished = await self._load(store, tile)
                if finished is None:
                    on_step = partial(progress.step, tile.index)
                    finished = await editor.edit(tile.index, source, on_step)
                    await self._save(store, finished)
            if inputs.config.strict_checks and not finished.report.passed:
                raise ConsistencyError(_complaint(finished.report, config))
            progress.finish_tile(tile.index)
            return finished

        finished = await _gather([refine_tile(tile) for tile in grid.tiles])
        pixels = await self._on_cpu(lambda: blend(grid, [tile.pixels for tile in finished]))
        progress.finish()
        return Refined(Image.fromarray(pixels), [tile.report for tile in finished])

    async def _load(self, store: TileStore, tile: Tile) -> EditedTile | None:
        stored = await store.load(tile.index)
        if stored is None:
            return None
        png, report = stored
        return EditedTile(await self._on_cpu(partial(_decode, png)), report)

    async def _save(self, store: TileStore, tile: EditedTile) -> None:
        png = await self._on_cpu(lambda: encode_png(Image.fromarray(tile.pixels), compress_level=1))
        await store.save(tile.report.index, png, tile.report)

    async def _on_cpu(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._cpu, work)


async def _gather(work: list[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results in order; the first failure stops the rest, waits for them and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _check(inputs: RefineInputs, config: TiledRefinerConfig) -> None:
    if config.version != "2":
        raise InvalidInputError(
            f"provider_config.version: {config.version!r}, with faces, is not available on local"
            " workers yet; use '2'"
        )
    if not 0 <= inputs.upscale_denoise <= 1:
        raise InvalidInputError("upscale_denoise: goes from 0 to 1")
    if inputs.upscale_steps < 1:
        raise InvalidInputError("upscale_steps: is at least 1")


def _complaint(report: TileReport, config: TiledRefinerConfig) -> str:
    return (
        f"tile {report.index} failed its checks {report.attempts} times; best SSIM"
        f" {report.ssim}, ssim_threshold {config.ssim_threshold}"
    )


def _decode(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
