"""Boxes of the body regions that garments cover, from the landmarks of the joints."""

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
"""Joints that must be visible; the others of a region may be cut off by the picture's edge."""
_LEAST_VISIBILITY = 0.5
_MARGIN = 0.25
"""Margin for cloth around the joints, as a share of the body's width at shoulders or hips."""
_HEAD_MARGIN = 1.0
"""Margin for skull and hair around eyes, ears and mouth, as a share of the ears' distance."""


def regions_of(
    landmarks: NDArray[np.float32], visibility: NDArray[np.float32], size: tuple[int, int]
) -> dict[BodyRegion, Box]:
    """Return the boxes of the visible body regions.

    Args:
        landmarks: 33 × 2, in pixels.
        visibility: 33, 0 to 1.
        size: width and height of the picture; boxes are clipped to it.
    """
    is_visible = visibility >= _LEAST_VISIBILITY
    regions: dict[BodyRegion, Box] = {}
    for region, joints in _JOINTS.items():
        anchors = _ANCHORS.get(region)
        indices = list(joints)
        if anchors is None:
            indices = [joint for joint in joints if is_visible[joint]]
        if not indices or (anchors is not None and not is_visible[list(anchors)].all()):
            continue
        box = _box_around(landmarks[indices], _margin(region, landmarks), size)
        if box is not None:
            regions[region] = box
    return regions


def _margin(region: BodyRegion, landmarks: NDArray[np.float32]) -> float:
    def distance(first: int, second: int) -> float:
        return float(np.hypot(*(landmarks[first] - landmarks[second])))

    if region is BodyRegion.HEAD:
        return _HEAD_MARGIN * distance(7, 8)
    return _MARGIN * max(distance(*_SHOULDERS), distance(*_HIPS))


def _box_around(points: NDArray[np.float32], margin: float, size: tuple[int, int]) -> Box | None:
    low = np.clip(points.min(axis=0) - margin, 0, size)
    high = np.clip(points.max(axis=0) + margin, 0, size)
    if (high - low < 1).any():
        return None
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
