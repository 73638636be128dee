"""The tiled refiner: `sartiq_ultimate_refiner` versions 1 and 2, and `local` with face detail."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from inference_worker.checks.metric import Pixels
from inference_worker.checks.metrics import Metrics, weights_of
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.refinement.blend import blend
from inference_worker.refinement.colour import (
    has_colour,
    match_histograms,
    match_lab,
    relight,
)
from inference_worker.refinement.editors import EditRequest, choose_editor
from inference_worker.refinement.grid import lay_grid
from inference_worker.refinement.patches import expanded
from inference_worker.refinement.region_editing import (
    Part,
    RegionEditor,
    Run,
    face_regions,
    paste_faces,
)
from inference_worker.refinement.resolution import fitting_side, largest_side
from inference_worker.refinement.target_size import target_size
from inference_worker.refinement.tile_editor import EditPlan, TileEditor
from inference_worker.settings import EditorKind
from inference_worker.upscaling.upscaler import LANCZOS, Upscaler
from inference_worker.vision.people import PeopleModels
from shared.cancellation import CancelFlag
from shared.contracts.checks import MetricWeights, TileReport
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig
from shared.errors import InvalidInputError
from shared.flux.engine import EngineFacts
from shared.pixels.transparency import alpha_of, with_alpha

_NETWORK_SHARE = 0.5
"""Of the progress, what an upscale by a network takes."""
FACE_PROMPT = "a photograph of a face, sharp eyes, natural skin"
FACE_INSTRUCTION = "Restore the detail of this face; keep its identity, expression and light"
_TILE_INSTRUCTION = "Restore the fine detail of this picture; change nothing else"


@dataclass(frozen=True)
class Refined:
    """The picture, how its tiles and faces fared, and who edited and judged them."""

    image: Image.Image
    tiles: list[TileReport]
    faces: list[TileReport]
    weights: MetricWeights
    facts: EngineFacts
    seed: int
    """From which the noise was drawn."""


@dataclass(frozen=True)
class _Plans:
    """How tiles and faces are edited; none: they are left alone."""

    tiles: EditPlan | None
    faces: EditPlan | None

    @property
    def recorded(self) -> EditPlan:
        """That of the tiles, or of the faces where they alone are edited."""
        plan = self.tiles or self.faces
        assert plan is not None
        return plan


class TiledRefiner:
    """Upscale, edit tile by tile and face by face, check each against its source, blend.

    Finished tiles go to the store at once: a refinement that was cut off goes on from there, and
    gives the same bytes as one that was not.

    Args:
        engine: the model; tiles take turns on it, while others are resized, checked and stored.
        cpu: threads for everything but the model.
        metrics: judge what it made.
        people: finds faces where they are edited apart.
        editor: how the model edits.
        max_output_pixels: largest result, width × height.
    """

    def __init__(
        self,
        engine: EngineThread,
        cpu: CpuThreads,
        *,
        metrics: Metrics,
        people: PeopleModels,
        editor: EditorKind,
        max_output_pixels: int,
    ) -> None:
        self._engine = engine
        self._cpu = cpu
        self._metrics = metrics
        self._people = people
        self._editor = editor
        self._max_output_pixels = max_output_pixels
        self._parts = RegionEditor(cpu)

    async def refine(
        self,
        base: Image.Image,
        inputs: RefineInputs,
        config: TiledRefinerConfig,
        run: Run,
        upscaler: Upscaler = LANCZOS,
    ) -> Refined:
        """Refine one picture.

        Args:
            base: RGB or RGBA; what is transparent stays so.
            inputs: the request.
            config: its provider config.
            run: what the task brings along.
            upscaler: makes the picture larger before its tiles are edited.

        Raises:
            InvalidInputError: it cannot be done as asked; the message names the field.
            ConsistencyError: strict checks, and a tile never passed.
        """
        _check(inputs)
        size = target_size(base.size, inputs, max_pixels=self._max_output_pixels)
        plans = await self._cpu.run(partial(self._plan, inputs, config))
        upscaled = await self._upscale(base, size, upscaler, run)
        if upscaler is not LANCZOS:
            run = replace(run, on_progress=partial(_report_rest, run.on_progress))
        grid = lay_grid(size, num_tiles=config.num_tiles, feather_px=config.feather_px)
        tiles, faces = list[Part](), list[Part]()
        if plans.tiles is not None:
            editor = TileEditor(plans.tiles, self._cpu)
            tiles = [Part(f"{t.index:03}", t.index, t.box, editor) for t in grid.tiles]
        if plans.faces is not None:
            found = await self._cpu.run(lambda: self._people.faces.faces(upscaled))
            boxes = [expanded(face.box, config.face_expand_percent, size) for face in found]
            faces = face_regions(boxes, TileEditor(plans.faces, self._cpu), first=len(tiles))
        limited = replace(run, max_workers=config.max_workers)
        edited = await self._parts.edit(upscaled, [*tiles, *faces], limited)
        done, done_faces = edited[: len(tiles)], edited[len(tiles) :]

        def put_together(cancel: CancelFlag) -> Image.Image:
            canvas = (
                blend(grid, [tile.pixels for tile in done], cancel) if done else upscaled.copy()
            )
            paste_faces(canvas, faces, done_faces, feather_px=config.feather_px)
            alpha = alpha_of(base)
            return with_alpha(canvas, alpha and LANCZOS.upscale(alpha, size))

        image = await self._cpu.run_stoppable(put_together)
        run.on_progress(1.0)
        return Refined(
            image,
            [tile.report for tile in done],
            [face.report for face in done_faces],
            weights_of(plans.recorded.metrics),
            plans.recorded.editor.facts,
            plans.recorded.seed,
        )

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
            # A network draws greys with a tinge.
            return relight(upscaled, np.asarray(LANCZOS.upscale(picture, size)))

        return await self._cpu.run_stoppable(upscale)

    def _plan(self, inputs: RefineInputs, config: TiledRefinerConfig) -> _Plans:
        """Version 1 edits faces as it edits tiles; face detail has parameters of its own."""
        is_first = config.version == "1"
        tile_wish = EditRequest(
            prompt=inputs.upscale_prompt or "",
            instruction=inputs.upscale_prompt or _TILE_INSTRUCTION,
            strength=inputs.upscale_denoise,
            num_steps=inputs.upscale_steps,
        )
        tiles = EditPlan(
            editor=choose_editor(self._engine, self._editor, tile_wish),
            choose_side=fitting_side if is_first else largest_side,
            match_colours=match_lab if is_first else match_histograms,
            metrics=self._metrics.chosen(config, side_px=self._engine.engine.edit_side_px),
            max_tries=config.max_retries + 1,
            seed=inputs.upscale_seed,
        )
        if inputs.face_detail_enabled:
            face_wish = EditRequest(
                prompt=inputs.face_detail_prompt or FACE_PROMPT,
                instruction=inputs.face_detail_prompt or FACE_INSTRUCTION,
                strength=inputs.face_detail_denoise,
                num_steps=inputs.face_detail_steps,
            )
            editor = choose_editor(self._engine, self._editor, face_wish)
            faces = replace(tiles, editor=editor, seed=inputs.face_detail_seed)
            # Where nothing is upscaled, the upscale's prompt and strength have no say.
            return _Plans(tiles if inputs.upscale_enabled else None, faces)
        return _Plans(tiles, tiles if is_first else None)


def _report_rest(report: Callable[[float], None], done: float) -> None:
    """Report what follows the upscale by a network."""
    report(_NETWORK_SHARE + (1 - _NETWORK_SHARE) * done)


def _check(inputs: RefineInputs) -> None:
    for part in ("upscale", "face_detail"):
        if not 0 <= getattr(inputs, f"{part}_denoise") <= 1:
            raise InvalidInputError(f"{part}_denoise: goes from 0 to 1")
        if getattr(inputs, f"{part}_steps") < 1:
            raise InvalidInputError(f"{part}_steps: is at least 1")
