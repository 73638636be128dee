"""Edited tiles take the colours of their source."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference_worker.refinement.colour import match_colours


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 256))
def test_unchanged_tile_stays_as_it_is(seed: int, levels: int) -> None:
    source = np.random.default_rng(seed).integers(0, levels, (24, 31, 3)).astype(np.uint8)
    assert np.array_equal(match_colours(source, source), source)


def test_colour_cast_is_taken_away(photo: Image.Image) -> None:
    source = np.asarray(photo)
    cast = np.clip(source * np.array([0.7, 1.0, 0.8]) + np.array([30, 0, 10]), 0, 255)
    matched = match_colours(cast.astype(np.uint8), source)
    assert np.abs(matched.astype(int) - source).mean() < 2


def test_histogram_becomes_the_sources(photo: Image.Image) -> None:
    source = np.asarray(photo)
    noise = np.random.default_rng(1).integers(0, 256, source.shape).astype(np.uint8)
    matched = match_colours(noise, source)
    np.testing.assert_allclose(matched.mean((0, 1)), source.mean((0, 1)), atol=0.5)
    assert set(np.unique(matched)) <= set(np.unique(source))


def test_noise_on_a_flat_ground_is_not_spread_over_the_gap_to_the_next_level() -> None:
    source = np.full((40, 40, 3), 240, np.uint8)
    source[:, :20] = 20
    noise = np.random.default_rng(2).integers(-3, 4, source.shape)
    assert np.array_equal(match_colours((source + noise).astype(np.uint8), source), source)
