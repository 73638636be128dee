"""The activities GENERATION, EDITING and REFINE: fetch inputs, call the engine, store results."""

from functools import partial

from PIL import Image
from temporalio import activity

from inference_worker.activities.attempts import AttemptRunner, RunningAttempt
from inference_worker.activities.tile_runs import TileRuns
from inference_worker.checks.metrics import Metrics
from inference_worker.engine.engine_thread import EngineResult, EngineThread
from inference_worker.io.outputs import provenance_of
from inference_worker.io.picture_files import PictureFiles
from inference_worker.lora.files import LoraFiles
from inference_worker.refinement.refiner import Refined, TiledRefiner
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscaler import is_enlarged
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.people import PeopleModels
from shared.contracts.attempts import PictureResult
from shared.contracts.editing import EditImage, EditingInputs
from shared.contracts.generation import GenerateImage, GenerationInputs
from shared.contracts.inference import InferenceActivities
from shared.contracts.provenance import Provenance
from shared.contracts.refinement import (
    RefineImage,
    RefineImageResult,
    RefineInputs,
    UpscalerKind,
)
from shared.contracts.task_types import editing, generation, refine
from shared.pixels.images import decode_cutout
from shared.progress import ExecutorIdentity, ProgressSink


class LocalInference(InferenceActivities):
    """Generation, editing and refinement on this worker's model.

    Args:
        engine: the model on its thread.
        files: loads and stores pictures.
        loras: the files of the LoRAs that requests name.
        progress: receives the start and the progress of attempts.
        executant: this worker.
        settings: the limit of output sizes, and how the model edits.
        people: models that find people.
        metrics: compare edits with their sources.
        check: decides which pictures may be stored as outputs.
        upscalers: enlarge pictures before they are refined.
    """

    def __init__(  # noqa: PLR0913 — what a process has, each by its name
        self,
        *,
        engine: EngineThread,
        files: PictureFiles,
        loras: LoraFiles,
        progress: ProgressSink,
        executant: ExecutorIdentity,
        settings: InferenceSettings,
        people: PeopleModels,
        metrics: Metrics,
        check: OutputCheck,
        upscalers: Upscalers,
    ) -> None:
        self._engine = engine
        self._files = files
        self._loras = loras
        self._attempts = AttemptRunner(files, progress, executant, check)
        self._tile_runs = TileRuns(engine.engine, settings.edit_traits)
        self._upscaler = settings.upscaler
        self._upscalers = upscalers
        self._refiner = TiledRefiner(
            engine,
            files.cpu,
            metrics=metrics,
            people=people,
            editor=settings.editor,
            max_output_pixels=settings.max_output_pixels,
        )

    @activity.defn(name="generate_image")
    async def generate_image(self, request: GenerateImage) -> PictureResult:
        """Generate the pictures of one GENERATION and store them."""
        inputs = request.inputs
        async with (
            self._attempts.attempt(generation.ROW, request) as attempt,
            self._loras.fetched(inputs.loras) as loras,
        ):
            reference = None
            if inputs.reference_image_url:
                reference = await self._files.fetch(
                    "reference_image_url", inputs.reference_image_url
                )
            result = await self._engine.generate(inputs, reference, loras, attempt.report_step)
            provenance = provenance_of(result.facts, inputs.loras)
            return await _store_pictures(attempt, result, provenance, inputs)

    @activity.defn(name="edit_image")
    async def edit_image(self, request: EditImage) -> PictureResult:
        """Change one picture as a prompt says, and store the results."""
        inputs = request.inputs
        async with self._attempts.attempt(editing.ROW, request) as attempt:
            base = await self._files.fetch("base_image", inputs.base_image, decode_cutout)
            references = [
                await self._files.fetch(f"reference_images.{index}", key)
                for index, key in enumerate(inputs.reference_images)
            ]
            result = await self._engine.instruct(inputs, base, references, attempt.report_step)
            return await _store_pictures(attempt, result, provenance_of(result.facts), inputs)

    @activity.defn(name="refine_image")
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        """Refine one picture tile by tile and store it."""
        inputs = request.inputs
        kind = self._upscaler_kind(inputs)
        async with (
            self._upscalers.reserved(kind),
            self._attempts.attempt(refine.ROW, request) as attempt,
        ):
            content, base = await self._files.read(
                "base_image_url", inputs.base_image_url, decode_cutout
            )
            debug = attempt.debug_folder("tiles")
            run = await self._tile_runs.start(
                attempt,
                [content],
                inputs,
                request.refiner,
                debug=debug if request.refiner.save_debug_tiles else None,
                traits=[kind],
            )
            upscaler = await self._files.cpu.run(partial(self._upscalers.open, kind))
            refined = await self._refiner.refine(base, inputs, request.refiner, run, upscaler)
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


async def _store_pictures(
    attempt: RunningAttempt,
    result: EngineResult,
    provenance: Provenance,
    inputs: GenerationInputs | EditingInputs,
) -> PictureResult:
    outputs = await attempt.check_and_store_all(
        result.pictures, provenance, inputs.config.output_format, inputs.seed
    )
    keys = [file.key for file in outputs.files]
    return PictureResult(
        **attempt.result_fields(outputs.files, outputs.provenance),
        warnings=result.facts.warnings,
        result_image_path=keys[0],
        result_image_paths=keys,
    )
