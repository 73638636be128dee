"""Poses of a person, also rotated or cut off, and the boxes of body regions."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.models import VisionModels
from inference_worker.vision.pose_regions import regions_of
from inference_worker.vision.protocols import BodyRegion

_NOSE, _LEFT_SHOULDER, _RIGHT_SHOULDER = 0, 11, 12


def test_landmarks_match_the_astronaut(models: VisionModels, astronaut: NDArray[np.uint8]) -> None:
    pose = models.poses.pose(astronaut)

    assert pose is not None
    assert pose.score > 0.9
    assert (pose.landmarks.shape, pose.visibility.shape) == ((33, 2), (33,))
    (face,) = models.faces.faces(astronaut)
    assert pose.landmarks[_NOSE] == pytest.approx(face.landmarks[2], abs=12)
    assert pose.landmarks[_LEFT_SHOULDER][0] > pose.landmarks[_RIGHT_SHOULDER][0]
    assert pose.visibility[_LEFT_SHOULDER] > 0.9


def test_regions_match_the_astronaut(models: VisionModels, astronaut: NDArray[np.uint8]) -> None:
    pose = models.poses.pose(astronaut)

    assert pose is not None
    head, torso = pose.regions[BodyRegion.HEAD], pose.regions[BodyRegion.TORSO]
    assert head.left < 181
    assert head.right > 269
    assert head.top < 58
    assert torso.top > 150
    assert torso.bottom == 512
    assert BodyRegion.FEET not in pose.regions


def test_rotated_person_is_found(models: VisionModels, astronaut: NDArray[np.uint8]) -> None:
    upright = models.poses.pose(astronaut)
    turned = models.poses.pose(np.asarray(Image.fromarray(astronaut).rotate(20)))

    assert upright is not None
    assert turned is not None
    angle = np.deg2rad(20)
    x, y = upright.landmarks[_NOSE] - 256
    expected = (x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle))
    assert turned.landmarks[_NOSE] - 256 == pytest.approx(expected, abs=15)


def test_coffee_has_no_pose(models: VisionModels, coffee: NDArray[np.uint8]) -> None:
    assert models.poses.pose(coffee) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 8000), (8000, 1)])
def test_any_size_is_accepted(models: VisionModels, size: tuple[int, int]) -> None:
    assert models.poses.pose(np.zeros((*size, 3), np.uint8)) is None


def _standing() -> NDArray[np.float32]:
    """Return the landmarks of a figure 400 pixels tall, centred in 300 × 500."""
    landmarks = np.tile(np.array([150, 70], np.float32), (33, 1))
    for side, joints in ((1, range(11, 33, 2)), (-1, range(12, 33, 2))):
        heights = {11: 120, 13: 180, 15: 240, 23: 250, 25: 340, 27: 430, 29: 440, 31: 450}
        for joint in joints:
            height = heights.get(joint if joint % 2 else joint - 1, 250)
            landmarks[joint] = (150 + side * 40, height)
    landmarks[7], landmarks[8] = (165, 70), (135, 70)
    return landmarks


def test_regions_follow_the_joints() -> None:
    regions = regions_of(_standing(), np.ones(33, np.float32), (300, 500))

    assert set(regions) == set(BodyRegion)
    assert regions[BodyRegion.TORSO] == (90, 100, 210, 270)
    assert regions[BodyRegion.LEGS] == (90, 230, 210, 450)
    assert regions[BodyRegion.LOWER_BODY].bottom == 470
    assert regions[BodyRegion.FEET] == (90, 410, 210, 470)
    full = regions[BodyRegion.FULL_BODY]
    assert full.top == 50
    assert full.bottom == 470


def test_region_that_is_hidden_or_outside_is_left_out() -> None:
    visibility = np.ones(33, np.float32)
    visibility[[23, 24, *range(25, 33)]] = 0.1

    regions = regions_of(_standing(), visibility, (300, 500))
    outside = regions_of(_standing() - (1000, 0), np.ones(33, np.float32), (300, 500))

    assert not {BodyRegion.LEGS, BodyRegion.LOWER_BODY, BodyRegion.FEET} & set(regions)
    assert BodyRegion.TORSO in regions
    assert outside == {}
