"""The adjuster's activity: fetch the pictures, adjust, store."""

from datetime import UTC, datetime
from functools import partial

from temporalio import activity

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.images import decode_with_alpha
from inference_worker.picture_files import PictureFiles
from shared.contracts.adjusting import AdjustImage, AdjustingActivities
from shared.contracts.attempts import PictureResult
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat


class PictureAdjusting(AdjustingActivities):
    """IMAGE_ADJUSTER on this worker.

    Args:
        adjuster: knows how.
        pictures: where pictures come from and go to.
        progress: hears that attempts start.
        executant: this worker.
    """

    def __init__(
        self,
        adjuster: ImageAdjuster,
        pictures: PictureFiles,
        progress: ProgressSink,
        executant: Executant,
    ) -> None:
        self._adjuster = adjuster
        self._pictures = pictures
        self._progress = progress
        self._executant = executant

    @activity.defn(name="adjust_image")
    async def adjust_image(self, request: AdjustImage) -> PictureResult:
        """Bring one picture to its size, shape and margins, and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt):
            picture = await self._pictures.fetch(
                "input_image", inputs.input_image, decode_with_alpha
            )
            reference = inputs.reference_image and await self._pictures.fetch(
                "reference_image", inputs.reference_image, decode_with_alpha
            )
            adjusted = await self._pictures.on_cpu(
                partial(self._adjuster.adjust, picture, reference or None, inputs)
            )
            key = f"image_adjusters/{request.task_id}/a{request.attempt}/image.png"
            file = await self._pictures.store(key, adjusted)
        return PictureResult(
            started_at=started_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=[file],
            result_image_path=file.key,
        )
