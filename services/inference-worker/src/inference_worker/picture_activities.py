"""IMAGE_ADJUSTER and BACKGROUND_FIX for Temporal: fetch pictures, compute, store."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from PIL import Image
from temporalio import activity

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.images import decode_with_alpha
from inference_worker.picture_files import PictureFiles
from inference_worker.pipelines.engine import CancelFlag
from shared.contracts.adjusting import AdjustImage, AdjustingActivities
from shared.contracts.attempts import AttemptRequest, PictureResult
from shared.contracts.backgrounds import BackgroundActivities, FixBackground
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat


class PictureActivities(AdjustingActivities, BackgroundActivities):
    """What is done to pictures without a generative model.

    Args:
        adjuster: brings pictures to sizes and margins.
        fixer: moves backgrounds to colours.
        files: where pictures come from and go to.
        progress: hears that attempts start.
        executant: this worker.
    """

    def __init__(
        self,
        adjuster: ImageAdjuster,
        fixer: BackgroundFixer,
        files: PictureFiles,
        progress: ProgressSink,
        executant: Executant,
    ) -> None:
        self._adjuster = adjuster
        self._fixer = fixer
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
            return await self._result(
                "image_adjusters",
                request,
                started_at,
                lambda _cancel: self._adjuster.adjust(picture, reference, inputs),
            )

    @activity.defn(name="fix_background")
    async def fix_background(self, request: FixBackground) -> PictureResult:
        """Move one picture's background toward the palette's colour, and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt):
            base = await self._files.fetch("base_image", inputs.base_image)
            palette = await self._files.fetch("palette_image", inputs.palette_image)
            fix = partial(self._fixer.fix, base, palette, inputs)
            return await self._result("background_fixes", request, started_at, fix)

    async def _result(
        self,
        folder: str,
        request: AttemptRequest,
        started_at: datetime,
        compute: Callable[[CancelFlag], Image.Image],
    ) -> PictureResult:
        key = f"{folder}/{request.task_id}/a{request.attempt}/image.png"
        file = await self._files.store(key, await self._files.cpu.run_stoppable(compute))
        return PictureResult(
            **vars(self._executant), started_at=started_at, files=[file], result_image_path=file.key
        )
