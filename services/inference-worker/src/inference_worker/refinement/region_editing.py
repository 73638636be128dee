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
from inference_worker.refinement.patches import PixelBox, paste
from inference_worker.refinement.progress import RefineProgress
from inference_worker.refinement.tile_editor import EditedTile, TileEditor
from inference_worker.refinement.tiles import TileStore
from shared.contracts.checks import TileReport
from shared.errors import ConsistencyError
from shared.flux.engine import StepCallback
from shared.pixels.images import encode_png

_PIPELINE_DEPTH = 3
"""Batches between resizing and judging at a time: one ahead of the engine, one in it, one behind.

More would fill memory, and keep other tasks of this worker waiting for the engine.
"""


class DebugSink(Protocol):
    """Keeps pictures of what happened on the way, for the client to look at."""

    async def save(self, name: str, picture: Image.Image) -> None:
        """Keep a source, or a map of differences."""
        ...

    async def save_edit(self, name: str, picture: Image.Image) -> None:
        """Keep what the model made of a part, if it may be handed out.

        Raises:
            UnsafeOutputError: it may not.
        """
        ...


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
    """

    store: TileStore
    on_progress: Callable[[float], None]
    is_strict: bool = False
    debug: DebugSink | None = None
    max_workers: int | None = None


class RegionEditor:
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
        most_parts = run.max_workers or max(len(parts), 1)
        batches = _batches(parts, most_parts)
        gate = asyncio.Semaphore(max(most_parts // max(map(len, batches), default=1), 1))
        pipeline = asyncio.Semaphore(_PIPELINE_DEPTH)

        async def edit_batch(places: range) -> list[EditedTile]:
            def on_step(done: int, steps: int) -> None:
                for place in places:
                    progress.step(place, done, steps)

            batch = parts[places.start : places.stop]
            sources = [_cut(picture, part.box) for part in batch]
            async with gate:
                finished = await self._finish(batch, sources, run.store, pipeline, on_step)
                if run.debug is not None:
                    for part, source, tile in zip(batch, sources, finished, strict=True):
                        await self._save_debug(run.debug, part, source, tile)
            for place, part, tile in zip(places, batch, finished, strict=True):
                if run.is_strict and not tile.report.passed:
                    raise ConsistencyError(_complaint(part, tile.report))
                progress.finish_tile(place)
            return finished

        edited = await gather(map(edit_batch, batches))
        return [tile for batch in edited for tile in batch]

    async def _finish(
        self,
        batch: Sequence[Part],
        sources: Sequence[Pixels],
        store: TileStore,
        pipeline: asyncio.Semaphore,
        on_step: StepCallback,
    ) -> list[EditedTile]:
        """Finished parts out of the store, or edited and stored.

        Where one is missing the whole batch is edited again: a run that was cut off then gives the
        pixels of one that was not.
        """
        stored = [await self._load(store, part.name) for part in batch]
        known = [tile for tile in stored if tile is not None]
        if len(known) == len(batch):
            return known
        async with pipeline:
            edited = await batch[0].editor.edit([part.index for part in batch], sources, on_step)
        for part, old, tile in zip(batch, stored, edited, strict=True):
            if old is None:
                await self._save(store, part.name, tile)
        return edited

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
        await debug.save_edit(part.name, Image.fromarray(finished.pixels))
        await debug.save(f"{part.name}_source", Image.fromarray(source))
        for metric in part.editor.plan.metrics:
            shown = await self._cpu.run(partial(_difference_map, metric, source, finished.pixels))
            if shown is not None:
                await debug.save(f"{part.name}_{metric.name}", shown)


def face_regions(boxes: Sequence[PixelBox], editor: TileEditor, *, first: int) -> list[Part]:
    """A part for each box, numbered from `first`; faces whose boxes grew into one share it.

    Named by its box: a checkpoint is of one place, even if another detector counts differently.
    """
    return [
        Part("face_" + "_".join(map(str, box)), first + number, box, editor)
        for number, box in enumerate(dict.fromkeys(boxes))
    ]


def paste_faces(
    canvas: Pixels, faces: Sequence[Part], edited: Sequence[EditedTile], *, feather_px: int
) -> None:
    """Fade edited faces into a picture, the most certain one last: where two overlap, it shows."""
    for part, face in reversed(list(zip(faces, edited, strict=True))):
        paste(canvas, face.pixels, part.box, feather_px=feather_px)


def _batches(parts: Sequence[Part], most: int) -> list[range]:
    """Neighbours of one size and editor, as many as the editor takes at a time."""
    batches: list[range] = []
    for place, part in enumerate(parts):
        if batches:
            last = batches[-1]
            first = parts[last.start]
            is_alike = first.editor is part.editor and _size(first.box) == _size(part.box)
            if is_alike and len(last) < min(part.editor.plan.editor.batch, most):
                batches[-1] = range(last.start, place + 1)
                continue
        batches.append(range(place, place + 1))
    return batches


def _size(box: PixelBox) -> tuple[int, int]:
    left, top, right, bottom = box
    return right - left, bottom - top


def _cut(picture: Pixels, box: PixelBox) -> Pixels:
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def _complaint(part: Part, report: TileReport) -> str:
    metrics = part.editor.plan.metrics
    scores = "; ".join(
        f"best {metric.name.upper()} {getattr(report, metric.name)}, {metric.name}_threshold"
        f" {metric.threshold}"
        for metric in metrics
    )
    return f"tile {report.index} failed its checks {report.attempts} times; {scores}"


def _difference_map(
    metric: ConsistencyMetric, source: Pixels, edited: Pixels
) -> Image.Image | None:
    """White where the two differ by 1 or more."""
    difference = metric.difference(source, edited)
    if difference is None:
        return None
    return Image.fromarray(np.rint(np.clip(difference, 0, 1) * 255).astype(np.uint8))


def _encode(pixels: Pixels) -> bytes:
    return encode_png(Image.fromarray(pixels))


def _decode(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
