"""The vision models that one task uses, with their provenance for its record."""

from collections.abc import Sequence
from pathlib import Path

from inference_worker.vision.models import VisionModels
from inference_worker.vision.protocols import PersonSegmenter, PoseEstimator, SubjectSegmenter
from inference_worker.vision.rembg_models import SubjectModel
from inference_worker.vision.weights import ModelFile
from shared.contracts.provenance import ModelProvenance


class ModelUsage:
    """Access to this worker's models that records each one used.

    Args:
        models: the worker's models.
    """

    def __init__(self, models: VisionModels) -> None:
        self._models = models
        self._used: dict[str, ModelProvenance] = {}

    @property
    def used(self) -> list[ModelProvenance]:
        """Provenance of the models used so far, each once."""
        return list(self._used.values())

    @property
    def persons(self) -> PersonSegmenter:
        """Segmenter of people."""
        file = ModelFile.SELFIE_SEGMENTATION
        self._record("persons", Path(file).stem, [self._models.weights.file(file)])
        return self._models.persons

    @property
    def poses(self) -> PoseEstimator:
        """Estimator of a person's pose."""
        files = ModelFile.POSE_DETECTION, ModelFile.POSE_LANDMARKS
        self._record("poses", "blazepose", [self._models.weights.file(file) for file in files])
        return self._models.poses

    @property
    def subjects(self) -> SubjectSegmenter:
        """Segmenter of the subject, by the best installed model."""
        return self.subjects_by(self._models.choose_subject_model(None))

    def subjects_by(self, model: SubjectModel) -> SubjectSegmenter:
        """Return the segmenter of the subject by the given model."""
        self._record("subjects", model.name, model.files)
        return self._models.subjects_by(model)

    def _record(self, finds: str, name: str, files: Sequence[Path]) -> None:
        if finds not in self._used:
            digest = self._models.weights.sha256(*files)
            self._used[finds] = ModelProvenance(finds=finds, name=name, sha256=digest)
