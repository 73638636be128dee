"""The tiled refiner: `sartiq_ultimate_refiner` versions 1 and 2, and `local` with face detail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from inference_worker.checks.metric import Pixels
from inference_worker.checks.metrics import Metrics, weights_of
from inference_worker.cpu_threads import CpuThreads
from inference_worker.refinement.blend import blend
from inference_worker.refinement.colour import (
    has_colour,
    match_histograms,
    match_lab,
    relight,
)
from inference_worker.refinement.editors import Editors, EditRequest
from inference_worker.refinement.grid import Grid, lay_grid
from inference_worker.refinement.patches import expanded
from inference_worker.refinement.region_editing import (
    EditRegion,
    RegionEditor,
    Run,
    face_regions,
    paste_faces,
)
from inference_worker.refinement.resolution import SideChoice, fitting_side, largest_side
from inference_worker.refinement.target_size import target_size
from inference_worker.refinement.tile_editor import EditedTile, EditPlan, TileEditor
from inference_worker.upscaling.upscaler import LANCZOS, Upscaler
from inference_worker.vision.people import PeopleModels
from shared.cancellation import CancelFlag
from shared.contracts.checks import MetricWeights, TileReport
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig
from shared.errors import InvalidInputError
from shared.flux.engine import EngineFacts
from shared.pixels.transparency import alpha_of, with_alpha

_NETWORK_SHARE = 0.5
"""Share of the progress for an upscale by a network."""
FACE_PROMPT = "a photograph of a face, sharp eyes, natural skin"
FACE_INSTRUCTION = "Restore the detail of this face; keep its identity, expression and light"
_TILE_INSTRUCTION = "Restore the fine detail of this picture; change nothing else"


@dataclass(frozen=True)
class Refined:
    """The picture, the reports of its tiles and faces, and facts for the record."""

    image: Image.Image
    tiles: list[TileReport]
    faces: list[TileReport]
    weights: MetricWeights
    facts: EngineFacts
    seed: int
    """Seed of the noise."""


@dataclass(frozen=True)
class _Plans:
    """The plans for tiles and faces; None: they are not edited."""

    tiles: EditPlan | None
    faces: EditPlan | None

    @property
    def recorded(self) -> EditPlan:
        """Plan of the tiles, or of the faces if only they are edited."""
        plan = self.tiles or self.faces
        assert plan is not None
        return plan


@dataclass(frozen=True)
class _Regions:
    """The grid of a picture, and the tiles and faces to edit."""

    grid: Grid
    tiles: list[EditRegion]
    faces: list[EditRegion]


class TiledRefiner:
    """Tiled refinement: upscale, edit tiles and faces, check each against its source, blend.

    Finished tiles are stored at once. An interrupted refinement resumes from them, and gives the
    same bytes as an uninterrupted one.

    Args:
        editors: edit one batch while others are resized, checked and stored.
        cpu: threads for all work outside the model.
        metrics: check the edits.
        people: detects faces, if they are edited separately.
        max_output_pixels: largest result, width × height.
    """

    def __init__(
        self,
        editors: Editors,
        cpu: CpuThreads,
        *,
        metrics: Metrics,
        people: PeopleModels,
        max_output_pixels: int,
    ) -> None:
        self._editors = editors
        self._cpu = cpu
        self._metrics = metrics
        self._people = people
        self._max_output_pixels = max_output_pixels
        self._regions = RegionEditor(cpu)

    async def refine(
        self,
        base: Image.Image,
        inputs: RefineInputs,
        config: TiledRefinerConfig,
        run: Run,
        upscaler: Upscaler = LANCZOS,
        *,
        choose_side: SideChoice | None = None,
    ) -> Refined:
        """Refine one picture.

        Args:
            base: RGB or RGBA; its alpha is kept.
            inputs: the request.
            config: its provider config.
            run: the context of the task.
            upscaler: enlarges the picture before its tiles are edited.
            choose_side: resolution of the tiles; None: by the refiner's version.

        Raises:
            InvalidInputError: the request cannot be met; the message names the field.
            ConsistencyError: checks are strict, and no edit of a tile passed.
        """
        _check(inputs)
        size = target_size(base.size, inputs, max_pixels=self._max_output_pixels)
        plans = await self._cpu.run(partial(self._plan, inputs, config, choose_side))
        upscaled = await self._upscale(base, size, upscaler, run)
        if upscaler is not LANCZOS:
            run = replace(run, on_progress=partial(_report_rest, run.on_progress))
        regions = await self._lay_out(upscaled, plans, config)
        limited = replace(run, max_workers=config.max_workers)
        edited = await self._regions.edit(upscaled, [*regions.tiles, *regions.faces], limited)
        tiles, faces = edited[: len(regions.tiles)], edited[len(regions.tiles) :]
        image = await self._cpu.run_stoppable(
            partial(_compose, base, upscaled, regions, tiles, faces, config.feather_px)
        )
        run.on_progress(1.0)
        return Refined(
            image,
            [tile.report for tile in tiles],
            [face.report for face in faces],
            weights_of(plans.recorded.metrics),
            plans.recorded.editor.facts,
            plans.recorded.seed,
        )

    async def _lay_out(
        self, upscaled: Pixels, plans: _Plans, config: TiledRefinerConfig
    ) -> _Regions:
        """Divide the upscaled picture into tiles, and detect its faces."""
        height, width = upscaled.shape[:2]
        size = width, height
        grid = lay_grid(size, num_tiles=config.num_tiles, feather_px=config.feather_px)
        tiles, faces = list[EditRegion](), list[EditRegion]()
        if plans.tiles is not None:
            editor = TileEditor(plans.tiles, self._cpu)
            tiles = [EditRegion(f"{t.index:03}", t.index, t.box, editor) for t in grid.tiles]
        if plans.faces is not None:
            found = await self._cpu.run(lambda: self._people.faces.faces(upscaled))
            boxes = [expanded(face.box, config.face_expand_percent, size) for face in found]
            faces = face_regions(boxes, TileEditor(plans.faces, self._cpu), first=len(tiles))
        return _Regions(grid, tiles, faces)

    async def _upscale(
        self, base: Image.Image, size: tuple[int, int], upscaler: Upscaler, run: Run
    ) -> Pixels:
        def upscale(cancel: CancelFlag) -> Pixels:
            picture = base.convert("RGB")
            upscaled = np.asarray(
                upscaler.upscale(
                    picture,
                    size,
                    cancel=cancel,
                    on_progress=lambda done: run.on_progress(_NETWORK_SHARE * done),
                )
            )
            if upscaler is LANCZOS or has_colour(np.asarray(picture)):
                return upscaled
            # A network tints greys slightly.
            return relight(upscaled, np.asarray(LANCZOS.upscale(picture, size)))

        return await self._cpu.run_stoppable(upscale)

    def _plan(
        self, inputs: RefineInputs, config: TiledRefinerConfig, choose_side: SideChoice | None
    ) -> _Plans:
        """Plan the edits: version 1 edits faces like tiles; face detail has its own parameters."""
        is_first = config.version == "1"
        tile_request = EditRequest(
            prompt=inputs.upscale_prompt or "",
            instruction=inputs.upscale_prompt or _TILE_INSTRUCTION,
            strength=inputs.upscale_denoise,
            num_steps=inputs.upscale_steps,
        )
        tiles = EditPlan(
            editor=self._editors.open(tile_request),
            choose_side=choose_side or (fitting_side if is_first else largest_side),
            match_colours=match_lab if is_first else match_histograms,
            metrics=self._metrics.chosen(config, side_px=self._editors.checked_px),
            max_tries=config.max_retries + 1,
            seed=inputs.upscale_seed,
        )
        if inputs.face_detail_enabled:
            face_request = EditRequest(
                prompt=inputs.face_detail_prompt or FACE_PROMPT,
                instruction=inputs.face_detail_prompt or FACE_INSTRUCTION,
                strength=inputs.face_detail_denoise,
                num_steps=inputs.face_detail_steps,
            )
            editor = self._editors.open(face_request)
            faces = replace(tiles, editor=editor, seed=inputs.face_detail_seed)
            # Without an upscale, its prompt and strength do not apply.
            return _Plans(tiles if inputs.upscale_enabled else None, faces)
        return _Plans(tiles, tiles if is_first else None)


def _compose(  # noqa: PLR0913, PLR0917 — all that the result depends on
    base: Image.Image,
    upscaled: Pixels,
    regions: _Regions,
    tiles: Sequence[EditedTile],
    faces: Sequence[EditedTile],
    feather_px: int,
    cancel: CancelFlag,
) -> Image.Image:
    """Blend edited tiles, paste edited faces, and put the base's alpha back."""
    canvas = (
        blend(regions.grid, [tile.pixels for tile in tiles], cancel) if tiles else upscaled.copy()
    )
    paste_faces(canvas, regions.faces, faces, feather_px=feather_px)
    height, width = upscaled.shape[:2]
    alpha = alpha_of(base)
    return with_alpha(canvas, alpha and LANCZOS.upscale(alpha, (width, height)))


def _report_rest(report: Callable[[float], None], done: float) -> None:
    """Report progress after the upscale by a network."""
    report(_NETWORK_SHARE + (1 - _NETWORK_SHARE) * done)


def _check(inputs: RefineInputs) -> None:
    for part in ("upscale", "face_detail"):
        if not 0 <= getattr(inputs, f"{part}_denoise") <= 1:
            raise InvalidInputError(f"{part}_denoise: must be from 0 to 1")
        if getattr(inputs, f"{part}_steps") < 1:
            raise InvalidInputError(f"{part}_steps: must be at least 1")
