"""Concurrent editing of a picture's regions, with a checkpoint of each finished one."""

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


class DebugSink(Protocol):
    """Store of intermediate pictures for the client."""

    async def save(self, name: str, picture: Image.Image) -> None:
        """Store a source, or a map of differences."""
        ...

    async def save_edit(self, name: str, picture: Image.Image) -> None:
        """Store an edited region, if it passes the output check.

        Raises:
            UnsafeOutputError: it does not.
        """
        ...


@dataclass(frozen=True)
class EditRegion:
    """A region of the picture, with its editor.

    Attributes:
        name: unique within the picture; names the checkpoint.
        index: its number, from which its seeds are derived.
        box: its place in the picture.
        editor: edits it.
    """

    name: str
    index: int
    box: PixelBox
    editor: TileEditor


@dataclass(frozen=True)
class Run:
    """The context of one task.

    Attributes:
        store: stores finished regions, and returns those of an earlier attempt.
        on_progress: called with fractions from 0 to 1.
        is_strict: a region that never passes its checks fails the task.
        debug: receives sources, results and maps of differences; None: not requested.
        max_workers: limit of regions in flight; None: unlimited.
    """

    store: TileStore
    on_progress: Callable[[float], None]
    is_strict: bool = False
    debug: DebugSink | None = None
    max_workers: int | None = None


class RegionEditor:
    """Editor of picture regions, concurrent and resumable.

    Args:
        cpu: threads for all work outside the model.
    """

    def __init__(self, cpu: CpuThreads) -> None:
        self._cpu = cpu

    async def edit(
        self, picture: Pixels, regions: Sequence[EditRegion], run: Run
    ) -> list[EditedTile]:
        """Edit all regions, and return them in order.

        Raises:
            ConsistencyError: checks are strict, and no edit of a region passed.
        """
        progress = RefineProgress(len(regions), run.on_progress)
        most_regions = run.max_workers or max(len(regions), 1)
        batches = _batches(regions, most_regions)
        gate = asyncio.Semaphore(max(most_regions // max(map(len, batches), default=1), 1))
        depths = {region.editor.plan.editor.in_flight for region in regions}
        pipeline = asyncio.Semaphore(min(depths, default=1))

        async def edit_batch(places: range) -> list[EditedTile]:
            def on_step(done: int, steps: int) -> None:
                for place in places:
                    progress.step(place, done, steps)

            batch = regions[places.start : places.stop]
            sources = [_cut(picture, region.box) for region in batch]
            async with gate:
                finished = await self._finish(batch, sources, run.store, pipeline, on_step)
                if run.debug is not None:
                    for region, source, tile in zip(batch, sources, finished, strict=True):
                        await self._save_debug(run.debug, region, source, tile)
            for place, region, tile in zip(places, batch, finished, strict=True):
                if run.is_strict and not tile.report.passed:
                    raise ConsistencyError(_failure_message(region, tile.report))
                progress.finish_tile(place)
            return finished

        edited = await gather(map(edit_batch, batches))
        return [tile for batch in edited for tile in batch]

    async def _finish(
        self,
        batch: Sequence[EditRegion],
        sources: Sequence[Pixels],
        store: TileStore,
        pipeline: asyncio.Semaphore,
        on_step: StepCallback,
    ) -> list[EditedTile]:
        """Load the finished regions of a batch from the store, or edit and store them.

        If one is missing, the whole batch is edited again, so that a resumed run gives the same
        pixels as an uninterrupted one.
        """
        stored = [await self._load(store, region.name) for region in batch]
        finished = [tile for tile in stored if tile is not None]
        if len(finished) == len(batch):
            return finished
        async with pipeline:
            edited = await batch[0].editor.edit(
                [region.index for region in batch], sources, on_step
            )
        for region, old, tile in zip(batch, stored, edited, strict=True):
            if old is None:
                await self._save(store, region.name, tile)
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
        self, debug: DebugSink, region: EditRegion, source: Pixels, finished: EditedTile
    ) -> None:
        await debug.save_edit(region.name, Image.fromarray(finished.pixels))
        await debug.save(f"{region.name}_source", Image.fromarray(source))
        for metric in region.editor.plan.metrics:
            map_ = await self._cpu.run(partial(_difference_map, metric, source, finished.pixels))
            if map_ is not None:
                await debug.save(f"{region.name}_{metric.name}", map_)


def face_regions(boxes: Sequence[PixelBox], editor: TileEditor, *, first: int) -> list[EditRegion]:
    """Return a region per distinct box, numbered from `first`; equal boxes share one.

    Names contain the box, so that a checkpoint belongs to one place, even if a detector returns
    faces in another order.
    """
    return [
        EditRegion("face_" + "_".join(map(str, box)), first + number, box, editor)
        for number, box in enumerate(dict.fromkeys(boxes))
    ]


def paste_faces(
    canvas: Pixels, faces: Sequence[EditRegion], edited: Sequence[EditedTile], *, feather_px: int
) -> None:
    """Paste edited faces into a picture, the highest score last, so that it wins an overlap."""
    for region, face in reversed(list(zip(faces, edited, strict=True))):
        paste(canvas, face.pixels, region.box, feather_px=feather_px)


def _batches(regions: Sequence[EditRegion], most: int) -> list[range]:
    """Group adjacent regions of one size and editor, up to the editor's batch size."""
    batches: list[range] = []
    for place, region in enumerate(regions):
        if batches:
            last = batches[-1]
            first = regions[last.start]
            is_alike = first.editor is region.editor and _size(first.box) == _size(region.box)
            if is_alike and len(last) < min(region.editor.plan.editor.batch, most):
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


def _failure_message(region: EditRegion, report: TileReport) -> str:
    metrics = region.editor.plan.metrics
    scores = "; ".join(
        f"best {metric.name.upper()} {getattr(report, metric.name)}, {metric.name}_threshold"
        f" {metric.threshold}"
        for metric in metrics
    )
    return f"tile {report.index} failed its checks {report.attempts} times; {scores}"


def _difference_map(
    metric: ConsistencyMetric, source: Pixels, edited: Pixels
) -> Image.Image | None:
    """Draw the map of differences: black is 0, white is 1 or more."""
    difference = metric.difference(source, edited)
    if difference is None:
        return None
    return Image.fromarray(np.rint(np.clip(difference, 0, 1) * 255).astype(np.uint8))


def _encode(pixels: Pixels) -> bytes:
    return encode_png(Image.fromarray(pixels))


def _decode(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
