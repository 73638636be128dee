"""This worker's vision models; each is loaded on first use, and kept.

Runtimes are imported only then, so that a worker without such tasks starts without them.
"""
# ruff: noqa: PLC0415 — runtimes are imported on first use

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar, cast

from inference_worker.vision.protocols import (
    FaceDetector,
    PersonSegmenter,
    PoseEstimator,
    SafetyClassifier,
    SubjectSegmenter,
)
from inference_worker.vision.rembg_models import SubjectModel, choose_model
from inference_worker.vision.settings import VisionSettings
from inference_worker.vision.weights import ModelFile, Weights
from shared.contracts.background_removal import RembgModel

_T = TypeVar("_T")


class VisionModels:
    """The models, by what they find.

    Args:
        settings: the folder of their files, and their threads.
    """

    def __init__(self, settings: VisionSettings) -> None:
        self.weights = Weights(settings.model_dir)
        self._threads = settings.threads
        self._open: dict[str, Any] = {}
        self._lock = Lock()

    @property
    def faces(self) -> FaceDetector:
        """Detector of faces."""
        from inference_worker.vision.centerface import CenterFace

        return self._once("faces", lambda: self._opened(CenterFace, ModelFile.CENTERFACE))

    @property
    def persons(self) -> PersonSegmenter:
        """Segmenter of people."""
        from inference_worker.vision.selfie import SelfieSegmenter

        return self._once(
            "persons", lambda: self._opened(SelfieSegmenter, ModelFile.SELFIE_SEGMENTATION)
        )

    @property
    def poses(self) -> PoseEstimator:
        """Estimator of a person's pose."""
        from inference_worker.vision.pose import BlazePose

        files = ModelFile.POSE_DETECTION, ModelFile.POSE_LANDMARKS
        return self._once("poses", lambda: self._opened(BlazePose, *files))

    @property
    def nsfw(self) -> SafetyClassifier:
        """Classifier of pictures that are not safe for work."""
        from inference_worker.vision.open_nsfw import OpenNsfw

        return self._once("nsfw", lambda: self._opened(OpenNsfw, ModelFile.OPEN_NSFW))

    @property
    def subjects(self) -> SubjectSegmenter:
        """Segmenter of the subject, by the best installed model."""
        return self.subjects_by(self.choose_subject_model(None))

    def choose_subject_model(self, requested: RembgModel | None) -> SubjectModel:
        """Return the requested model; None: the best installed one.

        Raises:
            InvalidInputError: the requested model is not on this worker.
        """
        return choose_model(requested, self.weights)

    def subjects_by(self, model: SubjectModel) -> SubjectSegmenter:
        """Return the segmenter of the subject by the given model."""
        return self._once(model.name, lambda: model.open(self._threads))

    def _opened(self, kind: Callable[..., _T], *files: ModelFile) -> _T:
        return kind(*map(self.weights.file, files), threads=self._threads)

    def _once(self, key: str, open_model: Callable[[], _T]) -> _T:
        with self._lock:
            if key not in self._open:
                self._open[key] = open_model()
            return cast("_T", self._open[key])
