"""FACE_ENHANCER and DETAIL_ENHANCER for Temporal: fetch inputs, call the fixers, store results."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from PIL import Image
from temporalio import activity

from inference_worker.checks.metrics import Metrics
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.fixing.detail_finder import DetailFinder
from inference_worker.fixing.face_fixer import FaceFixer
from inference_worker.fixing.garment_fixer import Detail, GarmentFixer
from inference_worker.io.outputs import Outputs, provenance_of
from inference_worker.io.picture_files import DebugFolder, PictureFiles
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore, tile_digest
from inference_worker.settings import InferenceSettings
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.people import PeopleModels
from shared.contracts.checks import TileReport
from shared.contracts.enums import OutputFormat
from shared.contracts.fixing import (
    EnhanceDetails,
    EnhanceDetailsResult,
    EnhanceFaces,
    EnhanceFacesResult,
    FixerActivities,
)
from shared.contracts.task_types import detail_enhancer, face_enhancer
from shared.flux.engine import EngineFacts
from shared.pixels.images import decode_cutout
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat


class LocalFixers(FixerActivities):
    """The fixers on this worker's model.

    Args:
        engine: the model on its thread.
        files: where pictures come from and go to.
        progress: hears that attempts start and how far they are.
        executant: this worker.
        settings: how the model edits.
        people: models that find them.
        metrics: judge what was made.
        check: says whether it may be handed out.
    """

    def __init__(  # noqa: PLR0913 — what the worker has
        self,
        *,
        engine: EngineThread,
        files: PictureFiles,
        progress: ProgressSink,
        executant: Executant,
        settings: InferenceSettings,
        people: PeopleModels,
        metrics: Metrics,
        check: OutputCheck,
    ) -> None:
        self._engine = engine
        self._check = check
        self._progress = progress
        self._executant = executant
        self._traits = settings.edit_traits
        self._files = files
        self._faces = FaceFixer(
            engine, files.cpu, metrics=metrics, people=people, editor=settings.editor
        )
        self._garments = GarmentFixer(
            engine, files.cpu, metrics=metrics, finder=DetailFinder(people)
        )

    @activity.defn(name="enhance_faces")
    async def enhance_faces(self, request: EnhanceFaces) -> EnhanceFacesResult:
        """Mend the faces of one picture; one without faces is handed back byte by byte."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            content, base = await self._files.read("input_image", inputs.input_image, decode_cutout)
            folder = face_enhancer.ROW.task_folder(request.task_id)
            output = face_enhancer.ROW.attempt_folder(request.task_id, request.attempt)
            debug = DebugFolder(self._files, f"{output}/debug", self._check)
            run = await self._run(request, [content], folder, report, debug)
            seed = inputs.config.seed or 0
            provenance = None
            fixed = await self._faces.fix(base, inputs.config, request.fixer, seed=seed, run=run)
            if fixed.image is None:
                picture = await self._files.store_copy(f"{output}/image", content)
            else:
                outputs = self._outputs(request, fixed.facts)
                await self._require_safe(fixed.image)
                picture = await outputs.store(f"{output}/image", fixed.image, seed)
                provenance = outputs.provenance
        return EnhanceFacesResult(
            **vars(self._executant),
            started_at=started_at,
            files=[picture, *debug.stored],
            debug_image_paths=debug.paths,
            provenance=provenance,
            warnings=fixed.facts.warnings if fixed.image else [],
            result_image_path=picture.key,
            face_detected=fixed.image is not None,
            attempts_used=max((face.attempts for face in fixed.faces), default=0),
            final_ssim_score=_worst(fixed.faces, "ssim", min),
            final_lpips_score=_worst(fixed.faces, "lpips", max),
            final_dists_score=_worst(fixed.faces, "dists", max),
            faces=fixed.faces,
            metric_weights=fixed.weights,
        )

    @activity.defn(name="enhance_details")
    async def enhance_details(self, request: EnhanceDetails) -> EnhanceDetailsResult:
        """Mend a garment's detail after a reference picture."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            content, base = await self._files.read("base_image", inputs.base_image, decode_cutout)
            shown, reference = await self._files.read("reference_image", inputs.reference_image)
            folder = detail_enhancer.ROW.task_folder(request.task_id)
            output = detail_enhancer.ROW.attempt_folder(request.task_id, request.attempt)
            debug = DebugFolder(self._files, f"{output}/debug", self._check)
            seed = inputs.config.seed or 0
            fixed = await self._garments.fix(
                base,
                Detail(inputs.detail_label, reference),
                inputs.config,
                request.fixer,
                seed=seed,
                run=await self._run(request, [content, shown], folder, report, debug),
            )
            outputs = self._outputs(request, fixed.facts)
            await self._require_safe(fixed.image)
            picture = await outputs.store(f"{output}/image", fixed.image, seed)
        return EnhanceDetailsResult(
            **vars(self._executant),
            started_at=started_at,
            files=[picture, *debug.stored],
            debug_image_paths=debug.paths,
            provenance=outputs.provenance,
            warnings=fixed.facts.warnings,
            result_image_path=picture.key,
            tiles=fixed.tiles,
            metric_weights=fixed.weights,
            follows_reference=fixed.follows_reference,
        )

    def _outputs(self, request: EnhanceFaces | EnhanceDetails, facts: EngineFacts) -> Outputs:
        return Outputs(request.task_id, provenance_of(facts), OutputFormat.PNG, self._files)

    async def _require_safe(self, picture: Image.Image) -> None:
        await self._files.cpu.run(partial(self._check.require_safe, picture, "output 0"))

    async def _run(
        self,
        request: EnhanceFaces | EnhanceDetails,
        sources: list[bytes],
        folder: str,
        report: Callable[[float], None],
        debug: DebugFolder,
    ) -> Run:
        digest = await self._files.cpu.run(
            partial(
                tile_digest,
                sources,
                request.inputs,
                request.fixer,
                engine=self._engine.engine,
                traits=self._traits,
            )
        )
        return Run(
            store=S3TileStore(self._files.objects, folder, digest),
            on_progress=report,
            is_strict=request.inputs.config.strict_checks,
            debug=debug if request.fixer.save_debug_images else None,
        )


def _worst(
    reports: list[TileReport], metric: str, choose: Callable[[Iterable[Any]], float]
) -> float | None:
    scores = [getattr(report, metric) for report in reports]
    return choose(scores) if scores and None not in scores else None
