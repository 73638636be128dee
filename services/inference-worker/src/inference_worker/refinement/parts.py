"""Edits parts of one picture side by side; what is finished outlives the worker."""

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image

from inference_worker.checks.metric import ConsistencyMetric, Pixels
from inference_worker.cpu_threads import CpuThreads, gather
from inference_worker.images import encode_png
from inference_worker.refinement.patches import PixelBox
from inference_worker.refinement.progress import RefineProgress
from inference_worker.refinement.tile_editor import EditedTile, TileEditor
from inference_worker.refinement.tiles import TileStore
from inference_worker.upscaling.upscaler import LANCZOS, Upscaler
from shared.contracts.checks import TileReport
from shared.errors import ConsistencyError

_PIPELINE_DEPTH = 3
"""Tiles between resizing and judging at a time: one ahead of the engine, one in it, one behind.

More would fill memory, and keep other tasks of this worker waiting for the engine.
"""


class DebugSink(Protocol):
    """Keeps pictures of what happened on the way."""

    async def save(self, name: str, png: bytes) -> None: ...


@dataclass(frozen=True)
class Part:
    """A part of the picture, and who edits it.

    Attributes:
        name: its own within the picture; names the checkpoint.
        index: its number, from which its seeds follow.
        box: where it is.
        editor: edits it.
    """

    name: str
    index: int
    box: PixelBox
    editor: TileEditor


@dataclass(frozen=True)
class Run:
    """What one task brings along.

    Attributes:
        store: keeps finished parts, and knows those of an earlier attempt.
        on_progress: hears fractions from 0 to 1.
        is_strict: a part that never passes its checks fails the task.
        debug: takes sources, results and maps of differences; none: nobody asked.
        max_workers: parts in flight; none: unlimited.
        upscaler: makes a picture larger before its parts are edited.
    """

    store: TileStore
    on_progress: Callable[[float], None]
    is_strict: bool = False
    debug: DebugSink | None = None
    max_workers: int | None = None
    upscaler: Upscaler = LANCZOS


class PartEditing:
    """Edits parts of pictures.

    Args:
        cpu: threads for everything but the model.
    """

    def __init__(self, cpu: CpuThreads) -> None:
        self._cpu = cpu

    async def edit(self, picture: Pixels, parts: Sequence[Part], run: Run) -> list[EditedTile]:
        """Edit all parts, and answer them in order.

        Raises:
            ConsistencyError: strict checks, and a part never passed.
        """
        progress = RefineProgress(len(parts), run.on_progress)
        gate = asyncio.Semaphore(run.max_workers or max(len(parts), 1))
        pipeline = asyncio.Semaphore(_PIPELINE_DEPTH)

        async def edit_part(place: int, part: Part) -> EditedTile:
            async with gate:
                left, top, right, bottom = part.box
                source = picture[top:bottom, left:right]
                finished = await self._load(run.store, part.name)
                if finished is None:
                    async with pipeline:
                        on_step = partial(progress.step, place)
                        finished = await part.editor.edit(part.index, source, on_step)
                    await self._save(run.store, part.name, finished)
                if run.debug is not None:
                    await self._save_debug(run.debug, part, source, finished)
            if run.is_strict and not finished.report.passed:
                raise ConsistencyError(_complaint(part, finished.report))
            progress.finish_tile(place)
            return finished

        return await gather(edit_part(place, part) for place, part in enumerate(parts))

    async def _load(self, store: TileStore, name: str) -> EditedTile | None:
        stored = await store.load(name)
        if stored is None:
            return None
        png, report = stored
        return EditedTile(await self._cpu.run(partial(_decode, png)), report)

    async def _save(self, store: TileStore, name: str, tile: EditedTile) -> None:
        await store.save(name, await self._cpu.run(partial(_encode, tile.pixels)), tile.report)

    async def _save_debug(
        self, debug: DebugSink, part: Part, source: Pixels, finished: EditedTile
    ) -> None:
        await debug.save(part.name, await self._cpu.run(partial(_encode, finished.pixels)))
        await debug.save(f"{part.name}_source", await self._cpu.run(partial(_encode, source)))
        for metric in part.editor.plan.metrics:
            png = await self._cpu.run(partial(_difference_map, metric, source, finished.pixels))
            if png is not None:
                await debug.save(f"{part.name}_{metric.name}", png)


def face_parts(boxes: Sequence[PixelBox], editor: TileEditor, *, first: int) -> list[Part]:
    """A part for each face, numbered from `first`.

    Named by its box: a checkpoint is of one place, even if another detector counts differently.
    """
    return [
        Part("face_" + "_".join(map(str, box)), first + number, box, editor)
        for number, box in enumerate(boxes)
    ]


def _complaint(part: Part, report: TileReport) -> str:
    metrics = part.editor.plan.metrics
    scores = "; ".join(
        f"best {metric.name.upper()} {getattr(report, metric.name)}, {metric.name}_threshold"
        f" {metric.threshold}"
        for metric in metrics
    )
    return f"tile {report.index} failed its checks {report.attempts} times; {scores}"


def _difference_map(metric: ConsistencyMetric, source: Pixels, edited: Pixels) -> bytes | None:
    """White where the two differ by 1 or more."""
    difference = metric.difference(source, edited)
    if difference is None:
        return None
    grey = np.rint(np.clip(difference, 0, 1) * 255).astype(np.uint8)
    return encode_png(Image.fromarray(grey))


def _encode(pixels: Pixels) -> bytes:
    return encode_png(Image.fromarray(pixels), compress_level=1)


def _decode(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
