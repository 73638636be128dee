"""The activities IMAGE_ADJUSTER and BACKGROUND_FIX: fetch pictures, compute, store."""

from functools import partial

from PIL import Image
from temporalio import activity

from inference_worker.activities.attempts import AttemptRunner, RunningAttempt
from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.io.outputs import computed_provenance
from inference_worker.io.picture_files import PictureFiles
from inference_worker.vision.model_usage import ModelUsage
from inference_worker.vision.models import VisionModels
from shared.contracts.adjusting import AdjustImage, AdjustingActivities
from shared.contracts.attempts import PictureResult
from shared.contracts.backgrounds import (
    BackgroundActivities,
    FixBackground,
    FixBackgroundResult,
)
from shared.contracts.provenance import Provenance
from shared.contracts.task_types import background_fix, image_adjuster
from shared.pixels.images import decode_cutout, decode_with_alpha
from shared.progress import ExecutorIdentity, ProgressSink


class PictureActivities(AdjustingActivities, BackgroundActivities):
    """Operations on pictures without a generative model.

    Args:
        models: find people and subjects.
        files: loads and stores pictures.
        progress: receives the start of attempts.
        executant: this worker.
        max_output_pixels: the largest adjusted picture, width × height.
    """

    def __init__(
        self,
        models: VisionModels,
        files: PictureFiles,
        progress: ProgressSink,
        executant: ExecutorIdentity,
        *,
        max_output_pixels: int,
    ) -> None:
        self._models = models
        self._max_output_pixels = max_output_pixels
        self._files = files
        self._attempts = AttemptRunner(files, progress, executant)

    @activity.defn(name="adjust_image")
    async def adjust_image(self, request: AdjustImage) -> PictureResult:
        """Bring one picture to its size, shape and margins, and store it."""
        inputs = request.inputs
        async with self._attempts.attempt(image_adjuster.ROW, request) as attempt:
            picture = await self._files.fetch("input_image", inputs.input_image, decode_with_alpha)
            reference = None
            if inputs.reference_image:
                reference = await self._files.fetch(
                    "reference_image", inputs.reference_image, decode_with_alpha
                )
            usage = ModelUsage(self._models)
            adjuster = ImageAdjuster(
                lambda: usage.subjects, max_output_pixels=self._max_output_pixels
            )
            adjusted = await self._files.cpu.run(
                partial(adjuster.adjust, picture, reference, inputs)
            )
            provenance = computed_provenance("image_adjuster", usage.used)
            return await _store(attempt, adjusted, provenance)

    @activity.defn(name="fix_background")
    async def fix_background(self, request: FixBackground) -> FixBackgroundResult:
        """Move one picture's background toward the palette's colour, and store it."""
        inputs = request.inputs
        async with self._attempts.attempt(background_fix.ROW, request) as attempt:
            base = await self._files.fetch("base_image", inputs.base_image, decode_cutout)
            palette = await self._files.fetch("palette_image", inputs.palette_image)
            usage = ModelUsage(self._models)
            fixer = BackgroundFixer(usage)
            fixed = await self._files.cpu.run_stoppable(partial(fixer.fix, base, palette, inputs))
            provenance = computed_provenance("background_fix", usage.used)
            result = await _store(attempt, fixed.image, provenance)
        return FixBackgroundResult(**vars(result), mask_used=fixed.mask_used)


async def _store(
    attempt: RunningAttempt, picture: Image.Image, provenance: Provenance
) -> PictureResult:
    outputs = await attempt.store(picture, provenance)
    return PictureResult(
        **attempt.result_fields(outputs.files, outputs.provenance),
        result_image_path=outputs.files[0].key,
    )
