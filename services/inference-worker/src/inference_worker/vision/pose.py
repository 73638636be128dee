"""BlazePose (Bazarevsky et al., arXiv:2006.10204): person detector, then landmark model.

Anchors, crops and activations follow MediaPipe's graphs `pose_detection` and `pose_landmark`.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.litert_model import LiteRtModel
from inference_worker.vision.pose_regions import regions_of
from inference_worker.vision.protocols import Pose
from inference_worker.vision.resizing import resize_picture, shrink_size

_DETECTOR_PX = 224
_LANDMARK_PX = 256
_STRIDES = {8: 2, 16: 2, 32: 6}
"""Anchors per cell of each grid, by the grid's stride in pixels."""
_LEAST_SCORE = 0.5
_CROP_SCALE = 1.25
_NUM_LANDMARKS = 33


@dataclass(frozen=True)
class _Crop:
    """A rotated square around the person, in pixels of the picture."""

    centre: tuple[float, float]
    side: float
    angle: float
    """Clockwise rotation of the body's axis, in radians."""

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert points (n × 2) from the square, 0 to 1, to pixels of the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = (points - 0.5).T * self.side
        turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
        return (turned + self.centre).astype(np.float32)


class BlazePose:
    """`PoseEstimator` by BlazePose.

    Args:
        detector: pose_detection.tflite.
        landmarks: pose_landmark_full.tflite.
        threads: CPU threads of one run.
    """

    def __init__(self, detector: Path, landmarks: Path, *, threads: int) -> None:
        self._detector = LiteRtModel(detector, threads=threads)
        self._landmarks = LiteRtModel(landmarks, threads=threads)
        self._anchors = _anchors()

    def pose(self, picture: NDArray[np.uint8]) -> Pose | None:
        """Return the pose of the most prominent person; None if there is no person."""
        crop = self._find_person(picture)
        if crop is None:
            return None
        tensor = _cut(picture, crop, _LANDMARK_PX).astype(np.float32)[None] / np.float32(255)
        values, presence = self._landmarks.run(tensor)[:2]
        score = float(presence[0, 0])
        if score < _LEAST_SCORE:
            return None
        rows = values.reshape(-1, 5)[:_NUM_LANDMARKS]
        landmarks = crop.to_picture(rows[:, :2] / np.float32(_LANDMARK_PX))
        visibility = _sigmoid(rows[:, 3])
        size = (picture.shape[1], picture.shape[0])
        regions = regions_of(landmarks, visibility, size)
        return Pose(landmarks, visibility, score, regions)

    def _find_person(self, picture: NDArray[np.uint8]) -> _Crop | None:
        height, width = picture.shape[:2]
        longest = max(width, height)
        square = _letterboxed(picture, _DETECTOR_PX)
        boxes, scores = self._detector.run(square.astype(np.float32)[None] / np.float32(127.5) - 1)
        best = int(scores[0, :, 0].argmax())
        if _sigmoid(scores[0, best]) < _LEAST_SCORE:
            return None
        # The hip centre, and a point above the head at the body's radius.
        points = boxes[0, best, 4:8].reshape(2, 2) / _DETECTOR_PX + self._anchors[best]
        hips, top = points * longest - ((longest - width) / 2, (longest - height) / 2)
        reach = top - hips
        side = 2 * float(np.hypot(*reach)) * _CROP_SCALE
        angle = math.pi / 2 - math.atan2(-reach[1], reach[0])
        return _Crop((float(hips[0]), float(hips[1])), side, angle)


def _anchors() -> NDArray[np.float32]:
    """Return the centres of the detector's anchors, 0 to 1: n × 2."""
    grids: list[NDArray[np.float64]] = []
    for stride, count in _STRIDES.items():
        cells = (np.arange(_DETECTOR_PX // stride) + 0.5) * stride / _DETECTOR_PX
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        grids.append(grid.repeat(count, axis=0))
    return np.concatenate(grids).astype(np.float32)


def _letterboxed(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scale the picture into the centre of a black square."""
    height, width = picture.shape[:2]
    scale = side / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((side, side, 3), np.uint8)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square[top : top + size[1], left : left + size[0]] = resize_picture(picture, size)
    return square


def _cut(picture: NDArray[np.uint8], crop: _Crop, side: int) -> NDArray[np.uint8]:
    """Render a crop as an upright square; black outside the picture."""
    height, width = picture.shape[:2]
    # Averaged first: an affine transform samples four pixels, however far it shrinks.
    factor = min(1.0, side / crop.side)
    size = shrink_size((width, height), max(1, round(max(width, height) * factor)))
    small = Image.fromarray(resize_picture(picture, size))
    grow = size[0] / width, size[1] / height
    origin, right, down = crop.to_picture(np.array([(0, 0), (1, 0), (0, 1)], np.float32)) * grow
    across, along = (right - origin) / side, (down - origin) / side
    matrix = (across[0], along[0], origin[0], across[1], along[1], origin[1])
    turned = small.transform(
        (side, side),
        Image.Transform.AFFINE,
        tuple(map(float, matrix)),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(turned)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.reciprocal(1 + np.exp(-np.clip(values, -100, 100)), dtype=np.float32)
