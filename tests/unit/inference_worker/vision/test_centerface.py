"""Detection of faces on photographs with and without them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.models import VisionModels

_ASTRONAUT = (181.5, 58.2, 269.9, 177.8)


def test_face_of_the_astronaut_is_found(models: VisionModels, astronaut: NDArray[np.uint8]) -> None:
    (face,) = models.faces.faces(astronaut)

    assert face.score == pytest.approx(0.93, abs=0.01)
    assert face.box == pytest.approx(_ASTRONAUT, abs=1)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_coffee_has_no_face(models: VisionModels, coffee: NDArray[np.uint8]) -> None:
    assert models.faces.faces(coffee) == []


def test_every_face_is_found_once_by_descending_score(
    models: VisionModels, astronaut: NDArray[np.uint8]
) -> None:
    small = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    pair = np.full((512, 800, 3), 128, np.uint8)
    pair[:512, :512] = astronaut
    pair[100:356, 530:786] = small

    first, second = models.faces.faces(pair)

    assert first.score >= second.score
    at_left, at_right = sorted((first.box, second.box))
    assert at_left == pytest.approx(_ASTRONAUT, abs=3)
    assert at_right == pytest.approx((620.8, 129.1, 665, 188.9), abs=3)


def test_large_picture_gives_the_same_box_at_its_own_scale(
    models: VisionModels, astronaut: NDArray[np.uint8]
) -> None:
    large = np.asarray(Image.fromarray(astronaut).resize((2560, 2560)))

    (face,) = models.faces.faces(large)

    assert np.array(face.box) / 5 == pytest.approx(_ASTRONAUT, abs=8)


@pytest.mark.parametrize("size", [(1, 1), (1, 8000), (8000, 1)])
def test_any_size_is_accepted(models: VisionModels, size: tuple[int, int]) -> None:
    assert models.faces.faces(np.zeros((*size, 3), np.uint8)) == []
