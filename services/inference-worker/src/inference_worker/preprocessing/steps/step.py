"""Common parts of all preprocessing steps."""

from typing import Protocol

from PIL import Image

from inference_worker.vision.protocols import FaceDetector, SubjectSegmenter
from inference_worker.vision.rembg_models import SubjectModel
from shared.contracts.background_removal import RembgModel
from shared.errors import InvalidInputError


class PictureLeftOut(Exception):  # noqa: N818 — an event, no fault
    """A step leaves a picture out of the dataset, as the request demands."""


class StepModels(Protocol):
    """The models that steps use; `VisionModels` has them."""

    @property
    def faces(self) -> FaceDetector:
        """Detector of faces."""
        ...

    def choose_subject_model(self, requested: RembgModel | None) -> SubjectModel:
        """Return the requested model; None: the best installed one."""
        ...

    def subjects_by(self, model: SubjectModel) -> SubjectSegmenter:
        """Return the segmenter of the subject by the given model."""
        ...


def lanczos(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture of another size."""
    if size == picture.size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS)


def require_area(kind: str, size: tuple[int, int], max_pixels: int) -> None:
    """Check the size of a step's result.

    Raises:
        InvalidInputError: it has too many pixels.
    """
    if size[0] * size[1] > max_pixels:
        raise InvalidInputError(
            f"the transform {kind} would make a picture of {size[0]} × {size[1]} pixels; at most"
            f" {max_pixels} are allowed: choose a smaller size, or an aspect nearer to the"
            " picture's"
        )


def scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return both sides times a factor, at least one pixel each."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
