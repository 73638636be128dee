"""What the worker does for Temporal: fetch inputs, call the plain classes, store the results."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from PIL import Image
from temporalio import activity

from inference_worker.checks.metrics import Metrics
from inference_worker.engine.engine_thread import EngineThread, Made
from inference_worker.io.outputs import Outputs, provenance_of
from inference_worker.io.picture_files import DebugFolder, PictureFiles
from inference_worker.lora.files import LoraFiles
from inference_worker.refinement.refiner import TiledRefiner
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore, tile_digest
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscaler import is_enlarged
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.people import PeopleModels
from shared.contracts.attempts import PictureResult
from shared.contracts.editing import EditImage
from shared.contracts.enums import OutputFormat
from shared.contracts.generation import GenerateImage
from shared.contracts.inference import InferenceActivities
from shared.contracts.provenance import Provenance
from shared.contracts.refinement import RefineImage, RefineImageResult, UpscalerKind
from shared.contracts.task_types import editing, generation, refine
from shared.contracts.task_types.row import TaskTypeRow
from shared.pixels.images import decode_cutout
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat


class LocalInference(InferenceActivities):
    """Generation, editing and refinement on this worker's model.

    Args:
        engine: the model on its thread.
        files: where pictures come from and go to.
        loras: the files of the LoRAs that requests name.
        progress: hears that attempts start and how far they are.
        executant: this worker.
        settings: the limit of output sizes, and how the model edits.
        people: models that find them.
        metrics: judge what was made.
        check: says whether it may be handed out.
        upscalers: make pictures larger before they are refined.
    """

    def __init__(  # noqa: PLR0913 — what a process has, each by its name
        self,
        *,
        engine: EngineThread,
        files: PictureFiles,
        loras: LoraFiles,
        progress: ProgressSink,
        executant: Executant,
        settings: InferenceSettings,
        people: PeopleModels,
        metrics: Metrics,
        check: OutputCheck,
        upscalers: Upscalers,
    ) -> None:
        self._engine = engine
        self._check = check
        self._loras = loras
        self._progress = progress
        self._executant = executant
        self._files = files
        self._traits = settings.edit_traits
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
        """Make the pictures of one GENERATION and store them."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with (
            Heartbeat(),
            self._progress.attempt(request.task_id, request.attempt) as report,
            self._loras.fetched(inputs.loras) as loras,
        ):
            reference = None
            if inputs.reference_image_url:
                reference = await self._files.fetch(
                    "reference_image_url", inputs.reference_image_url
                )
            made = await self._engine.generate(
                inputs, reference, loras, lambda done, steps: report(done / steps)
            )
            provenance = provenance_of(made.facts, inputs.loras)
            return await self._result(generation.ROW, request, started_at, made, provenance)

    @activity.defn(name="edit_image")
    async def edit_image(self, request: EditImage) -> PictureResult:
        """Change one picture as a prompt says, and store what came of it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            base = await self._files.fetch("base_image", inputs.base_image, decode_cutout)
            references = [
                await self._files.fetch(f"reference_images.{index}", key)
                for index, key in enumerate(inputs.reference_images)
            ]
            made = await self._engine.instruct(
                inputs, base, references, lambda done, steps: report(done / steps)
            )
            provenance = provenance_of(made.facts)
            return await self._result(editing.ROW, request, started_at, made, provenance)

    @activity.defn(name="refine_image")
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        """Refine one picture tile by tile and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        kind = UpscalerKind.LANCZOS
        if inputs.upscale_enabled:
            kind = inputs.config.upscaler or self._upscaler
        async with (
            self._upscalers.reserved(kind),
            Heartbeat(),
            self._progress.attempt(request.task_id, request.attempt) as report,
        ):
            content, base = await self._files.read(
                "base_image_url", inputs.base_image_url, decode_cutout
            )
            digest = await self._files.cpu.run(
                partial(
                    tile_digest,
                    [content],
                    inputs,
                    request.refiner,
                    engine=self._engine.engine,
                    traits=[*self._traits, kind],
                )
            )
            folder = refine.ROW.task_folder(request.task_id)
            output = refine.ROW.attempt_folder(request.task_id, request.attempt)
            debug = DebugFolder(self._files, f"{output}/tiles", self._check)
            run = Run(
                store=S3TileStore(self._files.objects, folder, digest),
                on_progress=report,
                is_strict=inputs.config.strict_checks,
                debug=debug if request.refiner.save_debug_tiles else None,
            )
            upscaler = await self._files.cpu.run(partial(self._upscalers.open, kind))
            refined = await self._refiner.refine(base, inputs, request.refiner, run, upscaler)
            made = provenance_of(refined.facts)
            if is_enlarged(base.size, refined.image.size):
                models = await self._files.cpu.run(partial(self._upscalers.models, kind))
                made = made.model_copy(update={"upscaler": kind, "models": models})
            outputs = Outputs(request.task_id, made, OutputFormat.PNG, self._files)
            await self._require_safe([refined.image])
            picture = await outputs.store(f"{output}/image", refined.image, refined.seed)
        return RefineImageResult(
            **vars(self._executant),
            started_at=started_at,
            files=[picture, *debug.stored],
            debug_image_paths=debug.paths,
            provenance=outputs.provenance,
            warnings=refined.facts.warnings,
            result_image_path=picture.key,
            tiles=refined.tiles,
            faces=refined.faces,
            metric_weights=refined.weights,
        )

    async def _result(
        self,
        row: TaskTypeRow,
        request: GenerateImage | EditImage,
        started_at: datetime,
        made: Made,
        provenance: Provenance,
    ) -> PictureResult:
        await self._require_safe(made.pictures)
        inputs = request.inputs
        outputs = Outputs(request.task_id, provenance, inputs.config.output_format, self._files)
        stem = f"{row.attempt_folder(request.task_id, request.attempt)}/image"
        for index, picture in enumerate(made.pictures):
            await outputs.store(f"{stem}_{index}", picture, inputs.seed + index)
        keys = [file.key for file in outputs.files]
        return PictureResult(
            **vars(self._executant),
            started_at=started_at,
            files=outputs.files,
            provenance=outputs.provenance,
            warnings=made.facts.warnings,
            result_image_path=keys[0],
            result_image_paths=keys,
        )

    async def _require_safe(self, pictures: Sequence[Image.Image]) -> None:
        for index, picture in enumerate(pictures):
            await self._files.cpu.run(partial(self._check.require_safe, picture, f"output {index}"))
