"""Picture activities that only record their requests."""

from temporalio import activity

from shared.contracts.adjusting import AdjustImage, AdjustingActivities
from shared.contracts.attempts import PictureResult, StoredFile
from shared.contracts.backgrounds import (
    BackgroundActivities,
    BackgroundMask,
    FixBackground,
    FixBackgroundResult,
)
from tests.fakes.inference import STARTED_AT


class FakePictures(AdjustingActivities, BackgroundActivities):
    """Picture activities that record every attempt and return at once."""

    def __init__(self) -> None:
        self.attempts: list[AdjustImage | FixBackground] = []

    @activity.defn(name="adjust_image")
    async def adjust_image(self, request: AdjustImage) -> PictureResult:
        return self._done(request)

    @activity.defn(name="fix_background")
    async def fix_background(self, request: FixBackground) -> FixBackgroundResult:
        done = self._done(request)
        return FixBackgroundResult(**vars(done), mask_used=BackgroundMask.PERSON)

    def _done(self, request: AdjustImage | FixBackground) -> PictureResult:
        self.attempts.append(request)
        key = f"fake/{request.task_id}/a{request.attempt}.png"
        return PictureResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            files=[StoredFile(key=key, size_bytes=1, content_type="image/png", sha256="0" * 64)],
            result_image_path=key,
        )
