"""Conversion of colours to CIELAB and back, compared with scikit-image."""

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from shared.pixels.lab import LabColour, Ramp, from_lab, move_toward, to_lab

RNG = np.random.default_rng(3)
ANY = RNG.integers(0, 256, (128, 128, 3)).astype(np.uint8)
SHARE = RNG.random((128, 128)).astype(np.float32)


@pytest.mark.parametrize("colour", [(92.0, 2.0, -8.0), (50.0, 40.0, 30.0), (3.0, 0.0, 0.0)])
@pytest.mark.parametrize("ramp", [None, Ramp(60, 180), Ramp(219, 220)])
def test_pixels_move_straight_through_lab(
    colour: tuple[float, float, float], ramp: Ramp | None
) -> None:
    lab = rgb2lab(ANY)
    weight = np.ones_like(SHARE)
    if ramp is not None:
        weight = np.clip((lab[..., 0] * 2.55 - ramp.shadow) / (ramp.light - ramp.shadow), 0, 1)
    way = (weight * SHARE)[..., np.newaxis]
    expected = np.clip(lab2rgb(lab + way * (np.array(colour) - lab)), 0, 1) * 255
    moved = move_toward(ANY, LabColour(*colour), SHARE, ramp)
    assert np.abs(moved - expected).max() <= 1


def test_every_grey_and_primary_survives_the_tables() -> None:
    levels = np.arange(256, dtype=np.uint8)
    nothing = np.zeros_like(levels)
    rows = np.stack(
        [
            np.stack(channels, axis=1)
            for channels in (
                (levels, levels, levels),
                (levels, nothing, nothing),
                (nothing, levels, nothing),
                (nothing, nothing, levels),
            )
        ]
    )
    hardly = np.full(rows.shape[:2], 1e-6, np.float32)
    assert (
        np.abs(move_toward(rows, LabColour(50, 0, 0), hardly, None) - rows.astype(int)).max() == 0
    )


def test_pixels_with_share_zero_keep_their_bits() -> None:
    half = SHARE.copy()
    half[:64] = 0
    moved = move_toward(ANY, LabColour(90, 0, 0), half, None)
    assert (moved[:64] == ANY[:64]).all()
    assert (moved[64:] != ANY[64:]).any()


def test_pixels_with_share_one_get_the_colour() -> None:
    expected = np.rint(lab2rgb([[[80.0, 5.0, -6.0]]])[0, 0] * 255)
    moved = move_toward(ANY, LabColour(80, 5, -6), np.ones_like(SHARE), None)
    assert (moved == expected).all()


def test_colours_beyond_srgb_are_clipped() -> None:
    moved = move_toward(ANY, LabColour(100, 90, -120), np.ones_like(SHARE), None)
    assert len(np.unique(moved.reshape(-1, 3), axis=0)) == 1


def test_lab_equals_scikit_images() -> None:
    assert np.abs(to_lab(ANY) - rgb2lab(ANY)).max() < 0.1


def test_colours_survive_the_round_trip_through_lab() -> None:
    """A fifth of all colours, with every level of each channel."""
    levels = np.arange(256, dtype=np.uint8)
    for blue in range(0, 256, 5):
        red, green = np.meshgrid(levels, levels)
        pixels = np.stack([red, green, np.full_like(red, blue)], axis=-1)
        for turned in (pixels, pixels[..., ::-1]):
            assert np.array_equal(from_lab(to_lab(turned)), turned)


def test_colours_within_and_beyond_srgb_are_scikit_images() -> None:
    lab = RNG.random((200, 200, 3)) * (100, 300, 300) - (0, 150, 150)
    has_x = (lab[..., 0] + 16) / 116 + lab[..., 1] / 500 >= 0
    with pytest.warns(UserWarning, match="negative Z values"):
        expected = np.clip(lab2rgb(lab), 0, 1) * 255
    difference = np.abs(from_lab(lab.astype(np.float32)) - expected)
    assert has_x.mean() > 0.9
    assert difference[has_x].max() <= 1
