"""Boxes of the parts of a body that garments cover, from the landmarks of its joints."""

import numpy as np
from numpy.typing import NDArray

from inference_worker.vision.protocols import BodyRegion, Box

_HEAD = tuple(range(11))
_SHOULDERS, _ARMS = (11, 12), tuple(range(11, 23))
_HIPS, _LEGS, _FEET = (23, 24), tuple(range(23, 29)), tuple(range(27, 33))

_JOINTS: dict[BodyRegion, tuple[int, ...]] = {
    BodyRegion.HEAD: _HEAD,
    BodyRegion.TORSO: _SHOULDERS + _HIPS,
    BodyRegion.UPPER_BODY: _ARMS + _HIPS,
    BodyRegion.LEGS: _LEGS,
    BodyRegion.LOWER_BODY: _LEGS + _FEET,
    BodyRegion.FEET: _FEET,
    BodyRegion.FULL_BODY: tuple(range(33)),
}
_ANCHORS: dict[BodyRegion, tuple[int, ...]] = {
    BodyRegion.TORSO: _SHOULDERS,
    BodyRegion.UPPER_BODY: _SHOULDERS,
    BodyRegion.LEGS: _HIPS,
    BodyRegion.LOWER_BODY: _HIPS,
}
"""Joints that must be seen, and from which what is cut off by the picture's edge may be guessed."""
_LEAST_VISIBILITY = 0.5
_ROOM = 0.25
"""Cloth around the joints, as a part of the body's width at shoulders or hips."""
_HEAD_ROOM = 1.0
"""Skull and hair around eyes, ears and mouth, as a part of the ears' distance."""


def regions_of(
    landmarks: NDArray[np.float32], visibility: NDArray[np.float32], size: tuple[int, int]
) -> dict[BodyRegion, Box]:
    """The parts that can be seen.

    Args:
        landmarks: 33 × 2, in pixels.
        visibility: 33, 0 to 1.
        size: width and height of the picture, which the boxes keep within.
    """
    is_seen = visibility >= _LEAST_VISIBILITY
    regions: dict[BodyRegion, Box] = {}
    for region, joints in _JOINTS.items():
        anchors = _ANCHORS.get(region)
        indices = list(joints)
        if anchors is None:
            indices = [joint for joint in joints if is_seen[joint]]
        if not indices or (anchors is not None and not is_seen[list(anchors)].all()):
            continue
        box = _box_around(landmarks[indices], _room(region, landmarks), size)
        if box is not None:
            regions[region] = box
    return regions


def _room(region: BodyRegion, landmarks: NDArray[np.float32]) -> float:
    def distance(first: int, second: int) -> float:
        return float(np.hypot(*(landmarks[first] - landmarks[second])))

    if region is BodyRegion.HEAD:
        return _HEAD_ROOM * distance(7, 8)
    return _ROOM * max(distance(*_SHOULDERS), distance(*_HIPS))


def _box_around(points: NDArray[np.float32], room: float, size: tuple[int, int]) -> Box | None:
    low = np.clip(points.min(axis=0) - room, 0, size)
    high = np.clip(points.max(axis=0) + room, 0, size)
    if (high - low < 1).any():
        return None
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
