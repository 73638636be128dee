"""Fixers that record their requests and change nothing."""

from temporalio import activity

from shared.contracts.fixing import (
    EnhanceDetails,
    EnhanceDetailsResult,
    EnhanceFaces,
    EnhanceFacesResult,
    FixerActivities,
)
from tests.fakes.inference import STARTED_AT


class FakeFixers(FixerActivities):
    """Fixers that return the input picture."""

    def __init__(self) -> None:
        self.requests: list[EnhanceFaces | EnhanceDetails] = []

    @activity.defn(name="enhance_faces")
    async def enhance_faces(self, request: EnhanceFaces) -> EnhanceFacesResult:
        self.requests.append(request)
        return EnhanceFacesResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            result_image_path=request.inputs.input_image,
            face_detected=False,
        )

    @activity.defn(name="enhance_details")
    async def enhance_details(self, request: EnhanceDetails) -> EnhanceDetailsResult:
        self.requests.append(request)
        return EnhanceDetailsResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            result_image_path=request.inputs.base_image,
        )
