"""Location of a garment's detail in a picture, by the person's pose and outline."""

import numpy as np

from inference_worker.checks.metric import Pixels
from inference_worker.fixing.labels import Regions, regions_of
from inference_worker.vision.people import PeopleModels
from inference_worker.vision.protocols import Box
from shared.errors import InvalidInputError

_PERSON = 0.5


class DetailFinder:
    """Finder of garment details. Thread-safe; blocks.

    Args:
        people: segment persons and estimate poses.
    """

    def __init__(self, people: PeopleModels) -> None:
        self._people = people

    def find(self, picture: Pixels, label: str | None) -> Box:
        """Return the box of the detail: the person's pixels within its body regions.

        Raises:
            InvalidInputError: there is no person, the body part is not in the picture, or the label
                is unknown.
        """
        named = f"detail_label: {label!r}" if label else "base_image: the garment"
        area = self._area(picture, regions_of(label), named)
        left, top, right, bottom = (round(edge) for edge in area)
        mask = self._people.persons.person_mask(picture)
        is_person = mask[top:bottom, left:right] >= _PERSON
        rows, columns = np.nonzero(is_person)
        if not rows.size:
            raise InvalidInputError(f"{named} was not found: no person is in the picture")
        return Box(
            float(left + columns.min()),
            float(top + rows.min()),
            float(left + columns.max() + 1),
            float(top + rows.max() + 1),
        )

    def _area(self, picture: Pixels, regions: Regions, named: str) -> Box:
        """Return the box around those regions that are in the picture."""
        pose = self._people.poses.pose(picture)
        if pose is None:
            raise InvalidInputError(f"{named} was not found: no person is in the picture")
        boxes = [pose.regions[region] for region in regions if region in pose.regions]
        if not boxes:
            parts = " and ".join(region.value.replace("_", " ") for region in regions)
            raise InvalidInputError(
                f"{named} was not found: the person's {parts} is not in the picture"
            )
        edges = np.array(boxes)
        return Box(*map(float, [*edges[:, :2].min(axis=0), *edges[:, 2:].max(axis=0)]))
