"""What the other rooms may ask about a picture, whichever model answers.

A picture is H × W × 3, RGB, 8 bits, upright. All of these block, and may be called from any thread.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A rectangle in pixels of the picture; right and bottom lie just outside."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        box: where it is, within the picture.
        score: how sure the detector is, 0 to 1.
        landmarks: 5 × 2, x and y in pixels: the eye at the picture's left, the other one, the tip
            of the nose, the corner of the mouth at the left, the other one.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]


class BodyRegion(StrEnum):
    """The parts of a body that garments cover."""

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
    """How one person stands.

    Attributes:
        landmarks: 33 × 2, x and y in pixels, in BlazePose's order; hidden ones are guessed, and may
            lie outside the picture.
        visibility: 33, how likely each is seen, 0 to 1.
        score: how sure the model is that there is a person, 0 to 1.
        regions: boxes of the parts that are in the picture, with room for cloth around the joints.
    """

    landmarks: NDArray[np.float32]
    visibility: NDArray[np.float32]
    score: float
    regions: dict[BodyRegion, Box]


class PersonSegmenter(Protocol):
    """Finds the pixels of people."""

    def person_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """H × W, 0 to 1: how much of each pixel is a person."""
        ...


class SubjectSegmenter(Protocol):
    """Finds the pixels of what a picture is about."""

    def subject_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """H × W, 0 to 1: how much of each pixel is the subject."""
        ...


class FaceDetector(Protocol):
    """Finds faces."""

    def faces(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Every face, the surest first."""
        ...


class PoseEstimator(Protocol):
    """Finds how a person stands."""

    def pose(self, picture: NDArray[np.uint8]) -> Pose | None:
        """The pose of the most prominent person; none where there is nobody."""
        ...


class SafetyClassifier(Protocol):
    """Tells what is not safe for work."""

    def nsfw_score(self, picture: NDArray[np.uint8]) -> float:
        """How likely the picture is not safe for work, 0 to 1."""
        ...
