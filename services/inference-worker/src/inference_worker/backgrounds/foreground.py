"""The foreground of a picture: a person, or else the subject.

Both are segmented. The person model also detects sleeves and skirts in a packshot, though only
parts of them. Its mask is used if a pose confirms that there is a person, and if it covers nearly
all of the subject.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.protocols import PersonSegmenter, PoseEstimator, SubjectSegmenter
from inference_worker.vision.resizing import resize_map, resized_pixels, shrink_size
from shared.contracts.backgrounds import BackgroundMask

_LONGEST = 640
"""Longer side at which the models run; the mask is then enlarged, since its edge is blurred."""
_IS_FOREGROUND = 0.5
_NEARLY_ALL = 0.9
"""Share of the subject that the person mask covers if the subject is a person. It covers less of a
shirt with a face printed on it."""


class ForegroundModels(Protocol):
    """The models that find foregrounds; the first use of one may load it, which blocks."""

    @property
    def persons(self) -> PersonSegmenter: ...

    @property
    def poses(self) -> PoseEstimator: ...

    @property
    def subjects(self) -> SubjectSegmenter: ...


@dataclass(frozen=True)
class Foreground:
    """The part of a picture to keep.

    Attributes:
        mask: H × W, 0 to 1.
        found_by: the model whose mask it is.
    """

    mask: NDArray[np.float32]
    found_by: BackgroundMask


def find_foreground(picture: Image.Image, models: ForegroundModels) -> Foreground | None:
    """Return the foreground of an RGB picture; None if nothing is found."""
    small = resized_pixels(picture, shrink_size(picture.size, _LONGEST))
    found = _segment(small, models)
    return found and replace(found, mask=resize_map(found.mask, picture.size))


def _segment(picture: NDArray[np.uint8], models: ForegroundModels) -> Foreground | None:
    person = models.persons.person_mask(picture)
    subject = models.subjects.subject_mask(picture)
    is_person, is_subject = person >= _IS_FOREGROUND, subject >= _IS_FOREGROUND
    if is_person.any() and models.poses.pose(picture) is not None:
        if (is_person & is_subject).sum() >= _NEARLY_ALL * is_subject.sum():
            return Foreground(person, BackgroundMask.PERSON)
        return Foreground(np.maximum(person, subject), BackgroundMask.SUBJECT)
    if is_subject.any():
        return Foreground(subject, BackgroundMask.SUBJECT)
    return Foreground(person, BackgroundMask.PERSON) if is_person.any() else None
