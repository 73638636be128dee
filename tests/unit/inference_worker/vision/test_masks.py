"""Masks of people and subjects on photographs, and their alignment to edges."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference_worker.vision.guided_filter import guided_mask
from inference_worker.vision.models import VisionModels


def _overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    a, b = first > 0.5, second > 0.5
    return float((a & b).sum() / (a | b).sum())


def test_mask_of_the_astronaut_excludes_the_background(
    models: VisionModels, astronaut: NDArray[np.uint8]
) -> None:
    mask = models.persons.person_mask(astronaut)

    assert (mask.shape, mask.dtype) == ((512, 512), np.float32)
    assert 0 <= mask.min() < 0.01
    assert 0.99 < mask.max() <= 1
    assert mask[80:150, 200:250].min() > 0.9  # her face
    assert mask[:200, 330:].max() < 0.1  # the shuttle behind her
    assert 0.45 < (mask > 0.5).mean() < 0.6


def test_two_models_agree_on_the_astronaut(
    models: VisionModels, astronaut: NDArray[np.uint8]
) -> None:
    person = models.persons.person_mask(astronaut)
    subject = models.subjects.subject_mask(astronaut)

    assert _overlap(person, subject) > 0.95
    assert np.abs(person - subject).max() > 0.1


def test_subject_of_a_still_life_is_found_too(
    models: VisionModels, coffee: NDArray[np.uint8]
) -> None:
    mask = models.subjects.subject_mask(coffee)

    assert mask.shape == coffee.shape[:2]
    assert mask[150:250, 250:350].min() > 0.9  # the cup
    assert mask[:, :40].max() < 0.1  # the table beside it


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_any_size_has_a_mask(models: VisionModels, size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 90, np.uint8)

    for mask in (models.persons.person_mask(picture), models.subjects.subject_mask(picture)):
        assert mask.shape == size
        assert np.isfinite(mask).all()


def test_coarse_mask_is_aligned_to_the_pictures_edge() -> None:
    """The mask has a quarter of the picture's sides, so the fine edge comes from the picture."""
    y, x = np.mgrid[:512, :512]
    disc = (np.hypot(x - 256, y - 256) < 150).astype(np.float32)
    colours = np.where(disc[..., None] > 0, (200, 60, 40), (30, 90, 160)).astype(np.uint8)
    coarse = np.asarray(Image.fromarray(disc).resize((128, 128), Image.Resampling.BOX))
    smooth = np.asarray(Image.fromarray(coarse).resize((512, 512), Image.Resampling.BILINEAR))

    refined = guided_mask(coarse, colours, longest=1024)

    def far_off(mask: NDArray[np.float32]) -> int:
        return int((np.abs(mask - disc) > 0.15).sum())

    assert far_off(smooth) > 1000
    assert far_off(refined) < 50


def test_flat_picture_keeps_a_certain_mask() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[:, 32:] = 1

    refined = guided_mask(mask, np.full((64, 64, 3), 77, np.uint8), longest=64)

    assert refined[:, :26].max() == 0
    assert refined[:, 38:].min() == 1


@pytest.mark.parametrize(("level", "noise"), [(0, 0), (128, 0), (200, 3)])
def test_an_empty_wall_has_no_subject(models: VisionModels, level: int, noise: float) -> None:
    wall = np.random.default_rng(0).normal(level, noise, (300, 400, 3)).astype(np.uint8)
    assert models.subjects.subject_mask(wall).max() == 0
