"""The models that look at one task's pictures, and what its record says of them."""

from collections.abc import Sequence
from pathlib import Path

from inference_worker.vision.models import VisionModels
from inference_worker.vision.protocols import PersonSegmenter, PoseEstimator, SubjectSegmenter
from inference_worker.vision.rembg_models import SubjectModel
from inference_worker.vision.weights import ModelFile
from shared.contracts.provenance import ModelProvenance


class ModelUsage:
    """This worker's models, as one task asks for them: those that it has asked for are kept.

    Args:
        models: where they come from.
    """

    def __init__(self, models: VisionModels) -> None:
        self._models = models
        self._used: dict[str, ModelProvenance] = {}

    @property
    def used(self) -> list[ModelProvenance]:
        """The models that were asked for, each once."""
        return list(self._used.values())

    @property
    def persons(self) -> PersonSegmenter:
        """Finds the pixels of people."""
        file = ModelFile.SELFIE_SEGMENTATION
        self._note("persons", Path(file).stem, [self._models.weights.file(file)])
        return self._models.persons

    @property
    def poses(self) -> PoseEstimator:
        """Finds how a person stands."""
        files = ModelFile.POSE_DETECTION, ModelFile.POSE_LANDMARKS
        self._note("poses", "blazepose", [self._models.weights.file(file) for file in files])
        return self._models.poses

    @property
    def subjects(self) -> SubjectSegmenter:
        """Finds the pixels of what a picture is about, with the best model that is here."""
        return self.subjects_by(self._models.choose_subject_model(None))

    def subjects_by(self, model: SubjectModel) -> SubjectSegmenter:
        """The same with one model."""
        self._note("subjects", model.name, model.files)
        return self._models.subjects_by(model)

    def _note(self, finds: str, name: str, files: Sequence[Path]) -> None:
        if finds not in self._used:
            digest = self._models.weights.sha256(*files)
            self._used[finds] = ModelProvenance(finds=finds, name=name, sha256=digest)
