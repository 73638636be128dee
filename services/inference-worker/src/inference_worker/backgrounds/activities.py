"""The background fixer's activity: fetch base and palette, fix, store."""

from datetime import UTC, datetime
from functools import partial

from temporalio import activity

from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.images import decode_image
from inference_worker.picture_files import PictureFiles
from shared.contracts.attempts import PictureResult
from shared.contracts.backgrounds import BackgroundActivities, FixBackground
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat


class BackgroundFixing(BackgroundActivities):
    """BACKGROUND_FIX on this worker.

    Args:
        fixer: knows how.
        pictures: where pictures come from and go to.
        progress: hears that attempts start.
        executant: this worker.
    """

    def __init__(
        self,
        fixer: BackgroundFixer,
        pictures: PictureFiles,
        progress: ProgressSink,
        executant: Executant,
    ) -> None:
        self._fixer = fixer
        self._pictures = pictures
        self._progress = progress
        self._executant = executant

    @activity.defn(name="fix_background")
    async def fix_background(self, request: FixBackground) -> PictureResult:
        """Move one picture's background toward the palette's colour, and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt):
            base = await self._pictures.fetch("base_image", inputs.base_image, decode_image)
            palette = await self._pictures.fetch(
                "palette_image", inputs.palette_image, decode_image
            )
            fixed = await self._pictures.on_cpu(partial(self._fixer.fix, base, palette, inputs))
            key = f"background_fixes/{request.task_id}/a{request.attempt}/image.png"
            file = await self._pictures.store(key, fixed)
        return PictureResult(
            started_at=started_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=[file],
            result_image_path=file.key,
        )
