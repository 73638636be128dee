"""The protocol of the models that refiner and fixers use to find people."""

from typing import Protocol

from inference_worker.vision.protocols import FaceDetector, PersonSegmenter, PoseEstimator


class PeopleModels(Protocol):
    """The models that find people; the first use of one may load it, which blocks."""

    @property
    def faces(self) -> FaceDetector: ...

    @property
    def persons(self) -> PersonSegmenter: ...

    @property
    def poses(self) -> PoseEstimator: ...
