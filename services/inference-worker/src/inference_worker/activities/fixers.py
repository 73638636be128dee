"""The activities FACE_ENHANCER and DETAIL_ENHANCER: fetch inputs, call fixers, store results."""

from collections.abc import Callable, Iterable
from typing import Any

from temporalio import activity

from inference_worker.activities.attempts import AttemptRunner
from inference_worker.activities.tile_runs import TileRuns
from inference_worker.checks.metrics import Metrics
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.fixing.detail_finder import DetailFinder
from inference_worker.fixing.face_fixer import FaceFixer
from inference_worker.fixing.garment_fixer import Detail, GarmentFixer
from inference_worker.io.outputs import provenance_of
from inference_worker.io.picture_files import PictureFiles
from inference_worker.refinement.editors import Reference
from inference_worker.settings import InferenceSettings
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.people import PeopleModels
from shared.contracts.checks import TileReport
from shared.contracts.fixing import (
    EnhanceDetails,
    EnhanceDetailsResult,
    EnhanceFaces,
    EnhanceFacesResult,
    FixerActivities,
)
from shared.contracts.task_types import detail_enhancer, face_enhancer
from shared.pixels.images import decode_cutout
from shared.progress import ExecutorIdentity, ProgressSink


class PictureFixers(FixerActivities):
    """The fixers by this worker's model, or by a provider's.

    Args:
        engine: the local model on its thread; None: this queue has the remote editor alone.
        files: loads and stores pictures.
        progress: receives the start and the progress of attempts.
        executant: this worker.
        settings: how regions are edited.
        people: models that find people.
        metrics: compare edits with their sources.
        check: decides which pictures may be stored as outputs.
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
    ) -> None:
        self._files = files
        self._attempts = AttemptRunner(files, progress, executant, check)
        self._tile_runs = TileRuns(engine, settings)
        self._metrics = metrics
        self._people = people

    @activity.defn(name="enhance_faces")
    async def enhance_faces(self, request: EnhanceFaces) -> EnhanceFacesResult:
        """Fix the faces of one picture; store a picture without faces byte by byte as it is."""
        inputs, options = request.inputs, request.fixer
        async with self._attempts.attempt(face_enhancer.ROW, request) as attempt:
            content, base = await self._files.read("input_image", inputs.input_image, decode_cutout)
            debug = attempt.debug_folder("debug")
            seed = inputs.config.seed or 0
            async with self._tile_runs.open(
                attempt,
                [content],
                inputs,
                options,
                debug=debug if options.save_debug_images else None,
            ) as tiles:
                fixer = FaceFixer(
                    tiles.editors, self._files.cpu, metrics=self._metrics, people=self._people
                )
                fixed = await fixer.fix(base, inputs.config, options, seed=seed, run=tiles.run)
            provenance = None
            if fixed.image is None:
                picture = await self._files.store_copy(f"{attempt.folder}/image", content)
            else:
                outputs = await attempt.check_and_store(
                    fixed.image, provenance_of(fixed.facts), seed
                )
                (picture,), provenance = outputs.files, outputs.provenance
        return EnhanceFacesResult(
            **attempt.result_fields([picture, *debug.stored], provenance),
            warnings=fixed.facts.warnings if fixed.image else [],
            result_image_path=picture.key,
            debug_image_paths=debug.paths,
            face_detected=fixed.image is not None,
            faces=fixed.faces,
            metric_weights=fixed.weights,
            **_worst_face(fixed.faces),
        )

    @activity.defn(name="enhance_details")
    async def enhance_details(self, request: EnhanceDetails) -> EnhanceDetailsResult:
        """Fix a garment's detail after a reference picture."""
        inputs, options = request.inputs, request.fixer
        async with self._attempts.attempt(detail_enhancer.ROW, request) as attempt:
            content, base = await self._files.read("base_image", inputs.base_image, decode_cutout)
            shown, reference = await self._files.read("reference_image", inputs.reference_image)
            debug = attempt.debug_folder("debug")
            seed = inputs.config.seed or 0
            detail = Detail(inputs.detail_label, Reference(reference, inputs.reference_image))
            async with self._tile_runs.open(
                attempt,
                [content, shown],
                inputs,
                options,
                debug=debug if options.save_debug_images else None,
            ) as tiles:
                fixer = GarmentFixer(
                    tiles.editors,
                    self._files.cpu,
                    metrics=self._metrics,
                    finder=DetailFinder(self._people),
                )
                fixed = await fixer.fix(
                    base, detail, inputs.config, options, seed=seed, run=tiles.run
                )
            outputs = await attempt.check_and_store(fixed.image, provenance_of(fixed.facts), seed)
        return EnhanceDetailsResult(
            **attempt.result_fields([*outputs.files, *debug.stored], outputs.provenance),
            warnings=fixed.facts.warnings,
            result_image_path=outputs.files[0].key,
            debug_image_paths=debug.paths,
            tiles=fixed.tiles,
            metric_weights=fixed.weights,
            follows_reference=fixed.follows_reference,
        )


def _worst_face(reports: list[TileReport]) -> dict[str, Any]:
    """Return the result fields with the worst figures of all faces."""
    return {
        "attempts_used": max((report.attempts for report in reports), default=0),
        "final_ssim_score": _worst(reports, "ssim", min),
        "final_lpips_score": _worst(reports, "lpips", max),
        "final_dists_score": _worst(reports, "dists", max),
    }


def _worst(
    reports: list[TileReport], metric: str, choose: Callable[[Iterable[Any]], float]
) -> float | None:
    scores = [getattr(report, metric) for report in reports]
    return choose(scores) if scores and None not in scores else None
