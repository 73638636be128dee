"""Boxes of separately edited patches, and their pasting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.refinement.patches import expanded, paste
from inference_worker.vision.protocols import Box

_SHARES = st.floats(0, 1, allow_nan=False)


def test_box_grows_around_its_middle() -> None:
    assert expanded(Box(100, 100, 140, 180), 0, (400, 400)) == (100, 100, 140, 180)
    assert expanded(Box(100, 100, 140, 180), 0.5, (400, 400)) == (90, 80, 150, 200)


def test_box_ends_with_the_picture() -> None:
    assert expanded(Box(0, 180, 40, 200), 1, (200, 200)) == (0, 170, 60, 200)


@given(
    st.tuples(_SHARES, _SHARES),
    st.tuples(_SHARES, _SHARES),
    st.floats(0, 5),
    st.tuples(st.integers(16, 300), st.integers(16, 300)),
)
def test_box_lies_within_the_picture_and_is_never_too_small(
    across: tuple[float, float], down: tuple[float, float], by: float, size: tuple[int, int]
) -> None:
    width, height = size
    box = Box(min(across) * width, min(down) * height, max(across) * width, max(down) * height)
    left, top, right, bottom = expanded(box, by, size)
    assert 0 <= left <= right - 16 <= width - 16
    assert 0 <= top <= bottom - 16 <= height - 16


def _pasted(box: tuple[int, int, int, int], feather_px: int) -> np.ndarray:
    canvas = np.zeros((100, 120, 3), np.uint8)
    patch = np.full((box[3] - box[1], box[2] - box[0], 3), 200, np.uint8)
    paste(canvas, patch, box, feather_px=feather_px)
    return canvas[:, :, 0]


def test_patch_fades_in_from_its_border() -> None:
    row = _pasted((20, 20, 100, 80), 8)[50]
    assert not row[:20].any()
    assert (np.diff(row[19:29].astype(int)) >= 0).all()
    assert (row[28:92] == 200).all()
    assert np.array_equal(row[20:100], row[20:100][::-1])


def test_feather_zero_pastes_hard() -> None:
    canvas = _pasted((20, 20, 100, 80), 0)
    assert (canvas[20:80, 20:100] == 200).all()
    assert canvas.sum() == 60 * 80 * 200


def test_nothing_fades_where_the_picture_ends() -> None:
    canvas = _pasted((0, 0, 60, 100), 8)
    assert (canvas[:, :52] == 200).all()
    assert canvas[50, 59] < 10


@pytest.mark.parametrize("feather_px", [32, 512])
def test_the_middle_of_a_small_patch_is_fully_edited(feather_px: int) -> None:
    canvas = _pasted((40, 40, 60, 60), feather_px)
    assert (canvas[45:55, 45:55] == 200).all()
