"""Matching of edited tiles to the colours of their source."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from inference_worker.refinement.colour import (
    ColourMatch,
    match_histograms,
    match_lab,
    relight,
)
from tests.examples import up_to


@pytest.mark.parametrize("match", [match_histograms, match_lab, relight])
@settings(max_examples=up_to(30))
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 256))
def test_unchanged_tile_stays_as_it_is(match: ColourMatch, seed: int, levels: int) -> None:
    source = np.random.default_rng(seed).integers(0, levels, (24, 31, 3)).astype(np.uint8)
    assert np.array_equal(match(source, source), source)


def test_colour_cast_is_removed(photo: Image.Image) -> None:
    source = np.asarray(photo)
    cast = np.clip(source * np.array([0.7, 1.0, 0.8]) + np.array([30, 0, 10]), 0, 255)
    matched = match_histograms(cast.astype(np.uint8), source)
    assert np.abs(matched.astype(int) - source).mean() < 2


def test_histogram_becomes_the_sources(photo: Image.Image) -> None:
    source = np.asarray(photo)
    noise = np.random.default_rng(1).integers(0, 256, source.shape).astype(np.uint8)
    matched = match_histograms(noise, source)
    np.testing.assert_allclose(matched.mean((0, 1)), source.mean((0, 1)), atol=0.5)
    ranked = [np.sort(pixels.reshape(-1, 3).astype(int), axis=0) for pixels in (matched, source)]
    assert np.abs(ranked[0] - ranked[1]).mean() < 16


def test_noise_on_a_flat_ground_is_not_spread_over_the_gap_to_the_next_level() -> None:
    source = np.full((40, 40, 3), 240, np.uint8)
    source[:, :20] = 20
    noise = np.random.default_rng(2).integers(-3, 4, source.shape)
    assert np.array_equal(match_histograms((source + noise).astype(np.uint8), source), source)


def test_lab_takes_mean_and_contrast_from_the_source() -> None:
    rng = np.random.default_rng(3)
    source = np.clip(rng.normal((150, 110, 90), 25, (40, 40, 3)), 0, 255).astype(np.uint8)
    edited = np.clip(rng.normal((90, 120, 130), 15, (40, 40, 3)), 0, 255).astype(np.uint8)
    matched = match_lab(edited, source)
    np.testing.assert_allclose(matched.mean((0, 1)), source.mean((0, 1)), atol=5)
    assert not np.array_equal(matched, source)


def test_lab_loses_no_level_on_a_tile_of_megapixels() -> None:
    rng = np.random.default_rng(5)
    source = np.clip(rng.normal(130, 8, (1700, 1700, 3)), 0, 255).astype(np.uint8)
    matched = match_lab(source + np.uint8(8), source)
    np.testing.assert_allclose(matched.mean((0, 1)), source.mean((0, 1)), atol=0.1)


def test_lab_takes_little_more_memory_than_its_own_values() -> None:
    source = np.random.default_rng(6).integers(0, 256, (1500, 1500, 3), np.uint8)
    edited = source[::-1].copy()
    tracemalloc.start()
    match_lab(edited, source)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3 * 4 * source.size


def test_lab_stretches_no_noise_to_a_texture() -> None:
    source = np.random.default_rng(4).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    flat = np.full((40, 40, 3), 100, np.uint8)
    flat[::2] = 103
    assert match_lab(flat, source).std() < 30


def test_lab_beyond_srgb_is_scikit_images_without_its_warning() -> None:
    """Dark yellow with the contrast of grey noise: some pixels get negative blue."""
    source = np.full((40, 40, 3), (60, 60, 0), np.uint8)
    grey = np.random.default_rng(5).integers(0, 256, (40, 40, 1)).astype(np.uint8)
    edited = np.repeat(grey, 3, axis=2)
    lab, wanted = rgb2lab(edited), rgb2lab(source)
    stretch = np.clip((wanted.std((0, 1)) + 1e-3) / (lab.std((0, 1)) + 1e-3), 0.5, 2)
    moved = (lab - lab.mean((0, 1))) * stretch + wanted.mean((0, 1))
    both = np.concatenate([lab, wanted])
    moved = np.clip(moved, both.min((0, 1)), both.max((0, 1)))
    with pytest.warns(UserWarning, match="negative Z values"):
        expected = lab2rgb(moved)
    assert np.abs(match_lab(edited, source) - np.clip(expected, 0, 1) * 255).max() <= 1


def test_lab_stays_in_the_joint_colour_range() -> None:
    """Near-white pixels of an orange tile stay near-white, instead of turning cyan."""
    source = np.full((40, 40, 3), (230, 100, 30), np.uint8)
    source[::2] = (120, 40, 10)
    edited = np.full((40, 40, 3), (220, 120, 70), np.uint8)
    edited[::2] = (200, 110, 60)
    edited[5, 5] = (255, 235, 220)
    red, green, blue = match_lab(edited, source)[5, 5].astype(int)
    assert red >= green >= blue - 1


def _grey(seed: int, width: int = 60) -> np.ndarray:
    """Return the grey levels of a photograph, with sparse and dense ranges."""
    rng = np.random.default_rng(seed)
    levels = np.cumsum(rng.integers(-9, 10, (48, width)), axis=1) + rng.integers(60, 200, (48, 1))
    return np.repeat(np.clip(levels, 0, 255)[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("match", [match_histograms, match_lab, relight])
@settings(max_examples=up_to(30))
@given(seed=st.integers(0, 10_000), most=st.integers(1, 60))
def test_grey_picture_stays_grey(match: ColourMatch, seed: int, most: int) -> None:
    source = _grey(seed)
    noise = np.random.default_rng(seed).integers(-most, most + 1, source.shape)
    matched = match(np.clip(source + noise, 0, 255).astype(np.uint8), source)
    assert np.ptp(matched.astype(int), axis=2).max() == 0
    assert not np.array_equal(matched, source) or most < 3


@pytest.mark.parametrize("match", [match_histograms, match_lab, relight])
def test_slight_tint_of_a_file_format_is_not_amplified(match: ColourMatch) -> None:
    source = _grey(7)
    tinge = np.random.default_rng(7).integers(-2, 3, source.shape)
    source = np.clip(source + tinge, 0, 255).astype(np.uint8)
    noise = np.random.default_rng(8).integers(-30, 31, source.shape)
    matched = match(np.clip(source + noise, 0, 255).astype(np.uint8), source)
    assert np.ptp(matched.astype(int), axis=2).max() <= 4


def test_spot_of_colour_does_not_tint_the_grey_around_it() -> None:
    source = _grey(9)
    source[10:20, 10:20] = (200, 40, 130)
    noise = np.random.default_rng(9).integers(-12, 13, source.shape)
    matched = match_histograms(np.clip(source + noise, 0, 255).astype(np.uint8), source).astype(int)
    grey = np.ones(source.shape[:2], bool)
    grey[10:20, 10:20] = False
    assert (np.ptp(matched, axis=2)[grey] > 8).mean() < 0.01
    assert np.abs(matched[10:20, 10:20].mean((0, 1)) - (200, 40, 130)).max() < 12
