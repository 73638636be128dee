"""The soft mask: the person, and a soft edge around it."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from inference_worker.backgrounds.protection import Protection


def person(
    width: int = 300, height: int = 400, box: tuple[int, int, int, int] = (90, 80, 190, 400)
) -> np.ndarray:
    mask = np.zeros((height, width), np.float32)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    return mask


def kept(mask: np.ndarray, grow_px: float, blur_sigma_px: float, rows: int = 37) -> np.ndarray:
    protection = Protection(mask, grow_px=grow_px, blur_sigma_px=blur_sigma_px)
    height = len(mask)
    return np.concatenate(
        [protection.rows(first, min(height, first + rows)) for first in range(0, height, rows)]
    )


@pytest.mark.parametrize(("grow", "sigma"), [(0, 0), (5, 0), (0, 9), (12, 20), (500, 3), (3, 1e9)])
def test_the_person_is_kept_whole(grow: float, sigma: float) -> None:
    mask = person()
    assert (kept(mask, grow, sigma)[mask == 1] == 1).all()


def test_without_growth_and_blur_it_is_the_mask() -> None:
    mask = person() * np.float32(0.7)
    assert (kept(mask, 0, 0) == mask).all()


def test_growth_reaches_as_far_as_it_says_in_every_direction() -> None:
    grown = kept(person(box=(100, 100, 200, 300)), 20, 0)
    distance = distance_transform_edt(person(box=(100, 100, 200, 300)) == 0)
    assert (grown[distance <= 20] == 1).all()
    assert (grown[distance >= 22] == 0).all()


@pytest.mark.parametrize(("grow", "sigma"), [(10, 20), (0, 8), (15, 33)])
def test_blur_is_gaussian_though_it_is_done_small(grow: float, sigma: float) -> None:
    mask = person(box=(100, 100, 200, 300))
    exact = distance_transform_edt(mask == 0) <= grow
    blurred = gaussian_filter(exact.astype(np.float32), sigma, mode="nearest")
    assert np.abs(kept(mask, grow, sigma) - np.maximum(blurred, mask)).max() < 0.05


def test_rows_do_not_depend_on_how_they_are_asked_for() -> None:
    mask = person()
    whole = kept(mask, 10, 20, rows=400)
    assert np.abs(kept(mask, 10, 20, rows=1) - whole).max() < 1e-5


def test_mask_does_not_fade_at_the_pictures_border() -> None:
    """A person at the lower edge does not fade out there."""
    assert kept(person(), 5, 20)[-1, 140] == pytest.approx(1)
    beside = kept(person(), 5, 20)[:, 85]
    assert beside[-1] == pytest.approx(beside[250], abs=0.01)


def test_empty_mask_keeps_nothing() -> None:
    assert not kept(np.zeros((40, 30), np.float32), 9, 20).any()


@pytest.mark.parametrize("shape", [(1, 1), (8000, 1), (1, 8000)])
def test_the_thinnest_masks_work(shape: tuple[int, int]) -> None:
    assert (kept(np.ones(shape, np.float32), 40, 20) == 1).all()
    assert kept(np.zeros(shape, np.float32), 40, 20).shape == shape


def test_large_masks_are_dilated_at_a_reduced_size() -> None:
    mask = person(4000, 3000, (1000, 1000, 2000, 3000))
    grown = Protection(mask, grow_px=30, blur_sigma_px=0).rows(2000, 2001)[0]
    assert np.flatnonzero(grown >= 0.5)[[0, -1]] == pytest.approx([970, 2029], abs=3)
