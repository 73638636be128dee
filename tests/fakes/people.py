"""Person, face and pose models that return what a test sets."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference_worker.vision.protocols import BodyRegion, Box, Face, Pose

_NO_LANDMARKS = np.zeros((5, 2), np.float32)


@dataclass
class FakePeople:
    """Implementation of `PeopleModels` and each of its models.

    Boxes are fractions of the picture's sides, so that they fit any size.
    """

    face_boxes: Sequence[Box] = ()
    regions: dict[BodyRegion, Box] = field(default_factory=dict)
    person: Box | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def faces(self) -> "FakePeople._Faces":
        return self._Faces(self)

    @property
    def persons(self) -> "FakePeople._Persons":
        return self._Persons(self)

    @property
    def poses(self) -> "FakePeople._Poses":
        return self._Poses(self)

    @dataclass
    class _Faces:
        people: "FakePeople"

        def faces(self, picture: NDArray[np.uint8]) -> list[Face]:
            self.people.asked.append("faces")
            return [
                Face(_scaled(box, picture), 0.9, _NO_LANDMARKS) for box in self.people.face_boxes
            ]

    @dataclass
    class _Persons:
        people: "FakePeople"

        def person_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
            self.people.asked.append("persons")
            mask = np.zeros(picture.shape[:2], np.float32)
            if self.people.person is not None:
                left, top, right, bottom = map(round, _scaled(self.people.person, picture))
                mask[top:bottom, left:right] = 1
            return mask

    @dataclass
    class _Poses:
        people: "FakePeople"

        def pose(self, picture: NDArray[np.uint8]) -> Pose | None:
            self.people.asked.append("poses")
            if not self.people.regions:
                return None
            regions = {name: _scaled(box, picture) for name, box in self.people.regions.items()}
            landmarks = np.zeros((33, 2), np.float32)
            return Pose(landmarks, np.ones(33, np.float32), 0.9, regions)


def _scaled(box: Box, picture: NDArray[np.uint8]) -> Box:
    height, width = picture.shape[:2]
    return Box(box.left * width, box.top * height, box.right * width, box.bottom * height)
