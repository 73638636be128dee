"""Tiles at the editor's resolution, and the application of only their changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.refinement.resolution import RESAMPLING, apply_change, edit_size


@given(
    width=st.integers(16, 2000),
    height=st.integers(16, 2000),
    longer_px=st.integers(64, 2048),
)
def test_edit_size_suits_the_model(width: int, height: int, longer_px: int) -> None:
    size = edit_size((width, height), longer_px=longer_px, multiple_of=16)
    assert max(size) == longer_px // 16 * 16
    assert all(side >= 16 and side % 16 == 0 for side in size)
    shorter = max(size) * min(width, height) / max(width, height)
    assert abs(min(size) - max(shorter, 16)) <= 8


@pytest.mark.parametrize("size", [(32, 48), (96, 72), (192, 160), (17, 300)])
def test_unchanged_tile_comes_back_exactly(photo: Image.Image, size: tuple[int, int]) -> None:
    source = np.asarray(photo)
    shown = photo.resize(size, Image.Resampling.LANCZOS)
    assert np.array_equal(apply_change(source, shown, shown.copy()), source)


def test_same_resolution_takes_the_edit_as_it_is(photo: Image.Image) -> None:
    edited = photo.rotate(180)
    assert np.array_equal(apply_change(np.asarray(photo), photo, edited), np.asarray(edited))


@pytest.mark.parametrize("size", [(48, 36), (192, 144)])
def test_change_is_carried_over(photo: Image.Image, size: tuple[int, int]) -> None:
    source = np.asarray(photo)
    shown = photo.resize(size, Image.Resampling.LANCZOS)
    edited = Image.fromarray((np.asarray(shown) // 2 + 40).astype(np.uint8))
    expected = source / 2 + 40
    result = apply_change(source, shown, edited)
    coarse = [
        np.asarray(Image.fromarray(p.astype(np.uint8)).resize((12, 9), Image.Resampling.BOX), float)
        for p in (result, expected)
    ]
    assert np.abs(coarse[0] - coarse[1]).mean() < 2


def test_result_of_another_size_is_refused(photo: Image.Image) -> None:
    with pytest.raises(ValueError, match=r"\(8, 8\).*\(96, 72\)"):
        apply_change(np.asarray(photo), photo, Image.new("RGB", (8, 8)))


@pytest.mark.parametrize("side_px", [24, 48])
def test_removed_edge_leaves_no_rings(side_px: int) -> None:
    """Its fine detail leaves one light and one dark line, without further rings."""
    source = np.full((96, 96, 3), 60, np.uint8)
    source[:, 48:] = 200
    shown = Image.fromarray(source).resize((side_px, side_px), RESAMPLING)
    result = apply_change(source, shown, Image.new("RGB", shown.size, (130, 130, 130)))
    row = result[48, :, 0].astype(int) - 130
    turns = np.sign(np.diff(row))
    is_extreme = (turns[:-1] * turns[1:] < 0) & (np.abs(row[1:-1]) > 3)
    assert is_extreme.sum() == 2
