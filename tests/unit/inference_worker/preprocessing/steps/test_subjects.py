"""Face crops and removed backgrounds."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from inference_worker.preprocessing.steps.step import PictureLeftOut
from inference_worker.preprocessing.steps.subjects import crop_face, remove_background
from inference_worker.vision.models import VisionModels
from inference_worker.vision.protocols import Box
from inference_worker.vision.settings import VisionSettings
from shared.contracts.transforms import BackgroundRemoval, FaceCrop
from tests.fakes.people import FakePeople
from tests.fixtures.segmenters import ColourSegmenter

PICTURE = Image.new("RGB", (200, 100), "green")


def crop(*boxes: Box, **parameters: Any) -> Image.Image:
    return crop_face(PICTURE, FaceCrop(**parameters), FakePeople(face_boxes=boxes).faces)


def test_largest_face_is_cut_out_with_its_margin() -> None:
    small, large = Box(0.8, 0, 0.9, 0.1), Box(0.4, 0.4, 0.5, 0.6)
    # 20 × 20 pixels, and half of that on each side.
    assert crop(small, large).size == (40, 40)
    assert crop(small, large, margin=0).size == (20, 20)


def test_margin_is_clipped_at_the_pictures_edges() -> None:
    assert crop(Box(0, 0, 0.1, 0.2)).size == (30, 30)
    assert crop(Box(0.4, 0.4, 0.5, 0.6), margin=5).size == PICTURE.size


def test_picture_without_a_face_stays_or_is_left_out() -> None:
    assert crop() is PICTURE
    with pytest.raises(PictureLeftOut, match="no face was found"):
        crop(on_missing="skip")


def test_unsure_faces_do_not_count() -> None:
    assert crop(Box(0.4, 0.4, 0.5, 0.6), min_confidence=0.9).size == (40, 40)
    assert crop(Box(0.4, 0.4, 0.5, 0.6), min_confidence=0.95) is PICTURE


@pytest.mark.models
def test_workers_detector_finds_a_portraits_face() -> None:
    astronaut = Image.fromarray(data.astronaut())
    found = crop_face(astronaut, FaceCrop(margin=0), VisionModels(VisionSettings()).faces)
    assert 60 < found.width < 160
    assert 80 < found.height < 200


def test_subject_is_put_on_the_colour() -> None:
    picture = Image.new("RGB", (60, 40), "gray")
    picture.paste("red", (20, 10, 40, 30))
    removed = remove_background(picture, BackgroundRemoval(color="#00ff00"), ColourSegmenter())
    pixels = np.asarray(removed)
    assert (removed.mode, removed.size) == ("RGB", (60, 40))
    assert pixels[0, 0].tolist() == [0, 255, 0]
    assert pixels[20, 30].tolist() == [255, 0, 0]
