"""The models that find people, as those who mend pictures of them ask for them."""

from typing import Protocol

from inference_worker.vision.protocols import FaceDetector, PersonSegmenter, PoseEstimator


class PeopleModels(Protocol):
    """Models that may be opened when they are first asked for: that blocks."""

    @property
    def faces(self) -> FaceDetector: ...

    @property
    def persons(self) -> PersonSegmenter: ...

    @property
    def poses(self) -> PoseEstimator: ...
