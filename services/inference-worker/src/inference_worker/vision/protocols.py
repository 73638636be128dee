"""Protocols of vision models, independent of the implementation, and their results.

A picture is H × W × 3, RGB, uint8, upright. All methods block, and are thread-safe.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A rectangle in pixels of the picture; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        box: its place, within the picture.
        score: confidence of the detector, 0 to 1.
        landmarks: 5 × 2, x and y in pixels: left eye, right eye, tip of the nose, left and right
            corner of the mouth, as seen in the picture.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]


class BodyRegion(StrEnum):
    """The regions of a body that garments cover."""

    HEAD = "head"
    TORSO = "torso"
    UPPER_BODY = "upper_body"
    """Torso and arms."""
    LEGS = "legs"
    LOWER_BODY = "lower_body"
    """Hips, legs and feet."""
    FEET = "feet"
    FULL_BODY = "full_body"


@dataclass(frozen=True)
class Pose:
    """The pose of one person.

    Attributes:
        landmarks: 33 × 2, x and y in pixels, in BlazePose's order; hidden ones are estimated, and
            may be outside the picture.
        visibility: 33, probability that each is visible, 0 to 1.
        score: confidence that there is a person, 0 to 1.
        regions: boxes of the body regions in the picture, with a margin for cloth.
    """

    landmarks: NDArray[np.float32]
    visibility: NDArray[np.float32]
    score: float
    regions: dict[BodyRegion, Box]


class PersonSegmenter(Protocol):
    """Segmenter of people."""

    def person_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the share of people in each pixel: H × W, 0 to 1."""
        ...


class SubjectSegmenter(Protocol):
    """Segmenter of a picture's subject."""

    def subject_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the share of the subject in each pixel: H × W, 0 to 1."""
        ...


class FaceDetector(Protocol):
    """Detector of faces."""

    def faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Return every face, by descending score."""
        ...


class PoseEstimator(Protocol):
    """Estimator of a person's pose."""

    def pose(self, picture: NDArray[np.uint8]) -> Pose | None:
        """Return the pose of the most prominent person; None if there is no person."""
        ...


class SafetyClassifier(Protocol):
    """Classifier of pictures that are not safe for work."""

    def nsfw_score(self, picture: NDArray[np.uint8]) -> float:
        """Return the probability that the picture is not safe for work, 0 to 1."""
        ...
