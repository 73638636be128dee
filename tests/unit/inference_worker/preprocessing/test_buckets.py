"""Buckets of pictures."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.preprocessing.buckets import choose_bucket, fit_bucket, multiple_of
from shared.errors import InvalidInputError

SIDES = st.integers(1, 3000)
RESOLUTIONS = st.sampled_from([16, 64, 128, 255, 256, 512, 768, 1024])


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((1536, 1024), (1216, 832)),
        ((1024, 1536), (832, 1216)),
        ((4000, 3000), (1152, 896)),
        ((300, 300), (256, 256)),
        ((5000, 500), (2048, 512)),
        ((1024, 1024), (1024, 1024)),
        ((40, 30), (64, 64)),
        # 256 × 448 has the same merit, and an aspect farther away.
        ((300, 400), (256, 384)),
    ],
)
def test_bucket_of_a_size(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert choose_bucket(size, 1024) == bucket


@pytest.mark.parametrize(
    ("size", "bucket"), [((800, 800), (64, 64)), ((900, 600), (80, 48)), ((10, 10), (16, 16))]
)
def test_small_models_have_finer_buckets(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert choose_bucket(size, 64) == bucket


@given(width=SIDES, height=SIDES, resolution=RESOLUTIONS)
def test_bucket_is_within_all_limits(width: int, height: int, resolution: int) -> None:
    across, down = choose_bucket((width, height), resolution)
    multiple = multiple_of(resolution)
    assert across % multiple == down % multiple == 0
    assert max(across, down) <= 4 * min(across, down)
    assert across * down <= resolution**2
    assert across * down <= max(width * height, multiple**2)


@given(width=SIDES, height=SIDES, resolution=RESOLUTIONS)
def test_no_other_bucket_has_more_merit(width: int, height: int, resolution: int) -> None:
    """Compare with the definition: the greatest (area / allowed area) × (ratio of the aspects)."""
    multiple, allowed = multiple_of(resolution), min(resolution**2, width * height)
    aspect = min(max(Fraction(width, height), Fraction(1, 4)), Fraction(4))

    def nearness(bucket: tuple[int, int]) -> Fraction:
        ratio = Fraction(*bucket) / aspect
        return min(ratio, 1 / ratio)

    def merit(bucket: tuple[int, int]) -> Fraction:
        return Fraction(bucket[0] * bucket[1], allowed) * nearness(bucket)

    chosen = choose_bucket((width, height), resolution)
    for columns in range(1, 2 * resolution // multiple + 1):
        for rows in range(1, 2 * resolution // multiple + 1):
            other = (columns * multiple, rows * multiple)
            is_flat = max(other) > 4 * min(other)
            if is_flat or other[0] * other[1] > allowed:
                continue
            assert (merit(other), nearness(other)) <= (merit(chosen), nearness(chosen))


@given(width=SIDES, height=SIDES, resolution=RESOLUTIONS)
def test_turned_picture_has_the_turned_bucket(width: int, height: int, resolution: int) -> None:
    if width != height:
        across, down = choose_bucket((width, height), resolution)
        turned = choose_bucket((height, width), resolution)
        # A square picture at equal merit may lie either way.
        assert turned in {(down, across), (across, down)}


@pytest.mark.parametrize("resolution", [0, 15])
def test_tiny_resolution_is_refused(resolution: int) -> None:
    with pytest.raises(InvalidInputError, match="at least 16 px"):
        choose_bucket((100, 100), resolution)


@given(width=st.integers(1, 400), height=st.integers(1, 400), resolution=RESOLUTIONS)
def test_fitted_picture_has_the_buckets_size(width: int, height: int, resolution: int) -> None:
    picture = Image.new("RGB", (width, height), "red")
    bucket = choose_bucket(picture.size, resolution)
    fitted = fit_bucket(picture, bucket)
    assert fitted.picture.size == bucket
    assert fitted.picture.getpixel((0, 0)) == (255, 0, 0)


def test_fitting_covers_and_crops_around_the_centre() -> None:
    pixels = np.zeros((64, 192, 3), np.uint8)
    pixels[:, 64:128] = 255
    fitted = fit_bucket(Image.fromarray(pixels), (64, 64))
    assert np.asarray(fitted.picture).min() == 255
    assert fitted.notes == []


def test_picture_of_the_buckets_size_is_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    fitted = fit_bucket(Image.fromarray(pixels), (64, 64))
    assert np.array_equal(np.asarray(fitted.picture), pixels)


@pytest.mark.parametrize(
    ("size", "notes"),
    [
        ((1000, 800), []),
        ((40, 40), ["enlarged to 1.6 times its size"]),
        ((5000, 500), ["cropped to an aspect of 4:1"]),
        ((500, 20), ["cropped to an aspect of 4:1", "enlarged to 3.2 times its size"]),
    ],
)
def test_deviations_are_noted(size: tuple[int, int], notes: list[str]) -> None:
    picture = Image.new("RGB", size)
    assert fit_bucket(picture, choose_bucket(size, 1024)).notes == notes
