"""What of a picture is no background: a person, or else the subject.

Both are looked for. A person's model sees sleeves and skirts in a packshot, though only parts of
them: it is believed where a pose says that somebody is there, and where it has nearly all of the
subject.
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
"""What is kept is looked for at this size, and its mask is smooth beyond: its edge is blurred."""
_IS_KEPT = 0.5
_NEARLY_ALL = 0.9
"""Of the subject, where it is a person. Of a shirt with a face printed on it, persons' masks have
less."""


class ForegroundModels(Protocol):
    """Models that may be opened when they are first asked for: that blocks."""

    @property
    def persons(self) -> PersonSegmenter: ...

    @property
    def poses(self) -> PoseEstimator: ...

    @property
    def subjects(self) -> SubjectSegmenter: ...


@dataclass(frozen=True)
class Foreground:
    """What is to stay of a picture.

    Attributes:
        mask: H × W, 0 to 1.
        found_by: what told it.
    """

    mask: NDArray[np.float32]
    found_by: BackgroundMask


def find_foreground(picture: Image.Image, finders: ForegroundModels) -> Foreground | None:
    """Return what of an RGB picture is no background; none where nothing is found."""
    kept = _kept_of(resized_pixels(picture, shrink_size(picture.size, _LONGEST)), finders)
    return kept and replace(kept, mask=resize_map(kept.mask, picture.size))


def _kept_of(picture: NDArray[np.uint8], finders: ForegroundModels) -> Foreground | None:
    person = finders.persons.person_mask(picture)
    subject = finders.subjects.subject_mask(picture)
    is_person, is_subject = person >= _IS_KEPT, subject >= _IS_KEPT
    if is_person.any() and finders.poses.pose(picture) is not None:
        if (is_person & is_subject).sum() >= _NEARLY_ALL * is_subject.sum():
            return Foreground(person, BackgroundMask.PERSON)
        return Foreground(np.maximum(person, subject), BackgroundMask.SUBJECT)
    if is_subject.any():
        return Foreground(subject, BackgroundMask.SUBJECT)
    return Foreground(person, BackgroundMask.PERSON) if is_person.any() else None
