"""The activity REFINE: fetch the picture, refine it tile by tile, store the result."""

from functools import partial
from typing import Any

from PIL import Image
from temporalio import activity

from inference_worker.activities.attempts import AttemptRunner
from inference_worker.activities.tile_runs import TileRuns
from inference_worker.checks.metrics import Metrics
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.io.outputs import provenance_of
from inference_worker.io.picture_files import PictureFiles
from inference_worker.refinement.nano_banana import nano_banana
from inference_worker.refinement.refiner import Refined, TiledRefiner
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscaler import is_enlarged
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.people import PeopleModels
from shared.contracts.enums import ProviderType
from shared.contracts.inference import RefinerActivities
from shared.contracts.provenance import Provenance
from shared.contracts.refinement import (
    RefineImage,
    RefineImageResult,
    RefineInputs,
    UpscalerKind,
)
from shared.contracts.task_types import refine
from shared.pixels.images import decode_cutout
from shared.progress import ExecutorIdentity, ProgressSink


class PictureRefiner(RefinerActivities):
    """Refinement by this worker's model, or by a provider's.

    Args:
        engine: the local model on its thread; None: this queue has the remote editor alone.
        files: loads and stores pictures.
        progress: receives the start and the progress of attempts.
        executant: this worker.
        settings: the limit of output sizes, and how tiles are edited.
        people: models that find people.
        metrics: compare edits with their sources.
        check: decides which pictures may be stored as outputs.
        upscalers: enlarge pictures before they are refined.
    """

    def __init__(  # noqa: PLR0913 — what a process has, each by its name
        self,
        *,
        engine: EngineThread | None,
        files: PictureFiles,
        progress: ProgressSink,
        executant: ExecutorIdentity,
        settings: InferenceSettings,
        people: PeopleModels,
        metrics: Metrics,
        check: OutputCheck,
        upscalers: Upscalers,
    ) -> None:
        self._files = files
        self._attempts = AttemptRunner(files, progress, executant, check)
        self._tile_runs = TileRuns(engine, settings)
        self._upscaler = settings.upscaler
        self._upscalers = upscalers
        self._parts: dict[str, Any] = {
            "metrics": metrics,
            "people": people,
            "max_output_pixels": settings.max_output_pixels,
        }

    @activity.defn(name="refine_image")
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        """Refine one picture tile by tile and store it."""
        inputs, options = request.inputs, request.refiner
        is_nano_banana = request.provider_type is ProviderType.NANO_BANANA_UPSCALER
        if is_nano_banana:
            inputs, options = nano_banana(request)
        kind = self._upscaler_kind(inputs)
        async with (
            self._upscalers.reserved(kind),
            self._attempts.attempt(refine.ROW, request) as attempt,
        ):
            content, base = await self._files.read(
                "base_image_url", inputs.base_image_url, decode_cutout
            )
            debug = attempt.debug_folder("tiles")
            async with self._tile_runs.open(
                attempt,
                [content],
                inputs,
                options,
                debug=debug if options.save_debug_tiles else None,
                traits=[kind],
            ) as tiles:
                upscaler = await self._files.cpu.run(partial(self._upscalers.open, kind))
                refiner = TiledRefiner(tiles.editors, self._files.cpu, **self._parts)
                refined = await refiner.refine(
                    base,
                    inputs,
                    options,
                    tiles.run,
                    upscaler,
                    choose_side=tiles.editors.region_side if is_nano_banana else None,
                )
            provenance = await self._provenance_of(refined, base, kind)
            outputs = await attempt.check_and_store(refined.image, provenance, refined.seed)
        return RefineImageResult(
            **attempt.result_fields([*outputs.files, *debug.stored], outputs.provenance),
            warnings=refined.facts.warnings,
            result_image_path=outputs.files[0].key,
            debug_image_paths=debug.paths,
            tiles=refined.tiles,
            faces=refined.faces,
            metric_weights=refined.weights,
        )

    def _upscaler_kind(self, inputs: RefineInputs) -> UpscalerKind:
        if not inputs.upscale_enabled:
            return UpscalerKind.LANCZOS
        return inputs.config.upscaler or self._upscaler

    async def _provenance_of(
        self, refined: Refined, base: Image.Image, kind: UpscalerKind
    ) -> Provenance:
        provenance = provenance_of(refined.facts)
        if not is_enlarged(base.size, refined.image.size):
            return provenance
        models = await self._files.cpu.run(partial(self._upscalers.models, kind))
        return provenance.model_copy(update={"upscaler": kind, "models": models})
