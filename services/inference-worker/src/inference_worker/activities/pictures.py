"""IMAGE_ADJUSTER and BACKGROUND_FIX for Temporal: fetch pictures, compute, store."""

from datetime import UTC, datetime
from functools import partial

from PIL import Image
from temporalio import activity

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.io.outputs import Outputs, computed_provenance
from inference_worker.io.picture_files import PictureFiles
from inference_worker.vision.model_usage import ModelUsage
from inference_worker.vision.models import VisionModels
from shared.contracts.adjusting import AdjustImage, AdjustingActivities
from shared.contracts.attempts import AttemptRequest, PictureResult
from shared.contracts.backgrounds import (
    BackgroundActivities,
    FixBackground,
    FixBackgroundResult,
)
from shared.contracts.enums import OutputFormat
from shared.contracts.provenance import Provenance
from shared.contracts.task_types import background_fix, image_adjuster
from shared.contracts.task_types.row import TaskTypeRow
from shared.pixels.images import decode_cutout, decode_with_alpha
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat


class PictureActivities(AdjustingActivities, BackgroundActivities):
    """What is done to pictures without a generative model.

    Args:
        models: find people and subjects.
        files: where pictures come from and go to.
        progress: hears that attempts start.
        executant: this worker.
        max_output_pixels: the largest adjusted picture, width × height.
    """

    def __init__(
        self,
        models: VisionModels,
        files: PictureFiles,
        progress: ProgressSink,
        executant: Executant,
        *,
        max_output_pixels: int,
    ) -> None:
        self._models = models
        self._max_output_pixels = max_output_pixels
        self._files = files
        self._progress = progress
        self._executant = executant

    @activity.defn(name="adjust_image")
    async def adjust_image(self, request: AdjustImage) -> PictureResult:
        """Bring one picture to its size, shape and margins, and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt):
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
            made = computed_provenance("image_adjuster", usage.used)
            return await self._result(image_adjuster.ROW, request, started_at, adjusted, made)

    @activity.defn(name="fix_background")
    async def fix_background(self, request: FixBackground) -> FixBackgroundResult:
        """Move one picture's background toward the palette's colour, and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt):
            base = await self._files.fetch("base_image", inputs.base_image, decode_cutout)
            palette = await self._files.fetch("palette_image", inputs.palette_image)
            usage = ModelUsage(self._models)
            fixer = BackgroundFixer(usage)
            fixed = await self._files.cpu.run_stoppable(partial(fixer.fix, base, palette, inputs))
            made = computed_provenance("background_fix", usage.used)
            row = background_fix.ROW
            result = await self._result(row, request, started_at, fixed.image, made)
        return FixBackgroundResult(**vars(result), mask_used=fixed.mask_used)

    async def _result(
        self,
        row: TaskTypeRow,
        request: AttemptRequest,
        started_at: datetime,
        picture: Image.Image,
        made: Provenance,
    ) -> PictureResult:
        outputs = Outputs(request.task_id, made, OutputFormat.PNG, self._files)
        stem = f"{row.attempt_folder(request.task_id, request.attempt)}/image"
        file = await outputs.store(stem, picture)
        return PictureResult(
            **vars(self._executant),
            started_at=started_at,
            files=outputs.files,
            provenance=outputs.provenance,
            result_image_path=file.key,
        )
