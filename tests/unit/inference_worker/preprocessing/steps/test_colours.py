"""Removal of colour casts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.preprocessing.steps.colours import normalize_colours
from shared.contracts.transforms import ColorNormalize


def cast(red: float, green: float, blue: float) -> Image.Image:
    """Return grey noise under coloured light."""
    grey = np.random.default_rng(1).integers(40, 120, (32, 32, 1))
    return Image.fromarray((grey * (red, green, blue)).astype(np.uint8))


def means(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, float).mean((0, 1))


def test_gray_world_makes_the_channels_means_equal() -> None:
    result = means(normalize_colours(cast(1.2, 1, 0.8), ColorNormalize()))
    assert result == pytest.approx([result.mean()] * 3, abs=1)
    assert result.mean() == pytest.approx(means(cast(1.2, 1, 0.8)).mean(), abs=1)


def test_gain_is_limited() -> None:
    before, after = cast(2, 0.2, 0.2), normalize_colours(cast(2, 0.2, 0.2), ColorNormalize())
    gains = means(after) / means(before)
    assert gains == pytest.approx([0.5, 2, 2], abs=0.05)


@pytest.mark.parametrize("method", ["gray_world", "autocontrast"])
def test_strength_mixes(method: str) -> None:
    picture = cast(1.2, 1, 0.8)
    none, half, full = (
        means(normalize_colours(picture, ColorNormalize(method=method, strength=strength)))  # type: ignore[arg-type]
        for strength in (0, 0.5, 1)
    )
    assert none == pytest.approx(means(picture), abs=0.01)
    assert half == pytest.approx((none + full) / 2, abs=1)
    assert abs(none - full).max() > 5


def test_autocontrast_stretches_each_channel_but_for_its_ends() -> None:
    picture = np.asarray(cast(1, 0.8, 1.2)).copy()
    picture[0, 0], picture[0, 1] = 0, 255
    wanted = ColorNormalize(method="autocontrast")
    result = np.asarray(normalize_colours(Image.fromarray(picture), wanted))
    low, high = np.percentile(result.reshape(-1, 3), [2, 98], axis=0)
    assert low.max() < 15
    assert high.min() > 240
    plain = ColorNormalize(method="autocontrast", cutoff=0)
    assert np.array_equal(np.asarray(normalize_colours(Image.fromarray(picture), plain)), picture)


@given(level=st.integers(0, 255), strength=st.floats(0, 1))
def test_flat_and_grey_pictures_stay(level: int, strength: float) -> None:
    flat = Image.new("RGB", (8, 8), (level, level, level))
    assert means(normalize_colours(flat, ColorNormalize(strength=strength))) == pytest.approx(
        [level] * 3
    )
