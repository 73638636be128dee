"""Blending: weights sum to 1, equal tiles stay exactly the same, and no seam shows."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference_worker.refinement.blend import axis_weights, blend
from inference_worker.refinement.grid import Grid, lay_grid
from shared.cancellation import Cancelled
from tests.examples import up_to

_SIDES = st.integers(16, 200)


def _cut(grid: Grid, pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [
        pixels[top:bottom, left:right]
        for left, top, right, bottom in (tile.box for tile in grid.tiles)
    ]


@given(length=st.integers(16, 2000), num_tiles=st.integers(1, 64), feather_px=st.integers(0, 512))
def test_weights_sum_to_one(length: int, num_tiles: int, feather_px: int) -> None:
    axis = lay_grid((length, 16), num_tiles=num_tiles, feather_px=feather_px).columns
    total = np.zeros(length, np.float64)
    for span, weight in zip(axis.spans, axis_weights(axis), strict=True):
        assert weight.dtype == np.float32
        assert weight.min() >= 0
        total[span.start : span.stop] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=up_to(50))
@given(
    width=_SIDES,
    height=_SIDES,
    num_tiles=st.integers(1, 64),
    feather_px=st.integers(0, 128),
    seed=st.integers(0, 1000),
)
def test_tiles_of_one_picture_restore_it_exactly(
    width: int, height: int, num_tiles: int, feather_px: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    grid = lay_grid((width, height), num_tiles=num_tiles, feather_px=feather_px)
    assert np.array_equal(blend(grid, _cut(grid, pixels)), pixels)


def test_different_tiles_fade_into_each_other_within_the_feather() -> None:
    grid = lay_grid((200, 100), num_tiles=2, feather_px=20)
    dark, light = (
        np.full((t.size[1], t.size[0], 3), v, np.uint8)
        for t, v in zip(grid.tiles, (0, 200), strict=True)
    )
    row = blend(grid, [dark, light])[50, :, 0].astype(int)
    assert (row[:90] == 0).all()
    assert (row[110:] == 200).all()
    steps = np.diff(row[89:111])
    assert (steps >= 0).all()
    assert steps.max() <= 200 * 1.5 / 20 + 1


def test_without_feather_tiles_meet_at_a_hard_edge() -> None:
    grid = lay_grid((200, 100), num_tiles=2, feather_px=0)
    dark, light = (
        np.full((t.size[1], t.size[0], 3), v, np.uint8)
        for t, v in zip(grid.tiles, (0, 200), strict=True)
    )
    row = blend(grid, [dark, light])[50, :, 0]
    assert (row[:100] == 0).all()
    assert (row[100:] == 200).all()


def test_cancelled_work_stops_before_the_next_tile() -> None:
    grid = lay_grid((100, 100), num_tiles=4, feather_px=8)
    cancel = threading.Event()
    blended: list[int] = []

    class Tiles(list[NDArray[np.uint8]]):
        def __iter__(self) -> Iterator[NDArray[np.uint8]]:
            for index, tile in enumerate(super().__iter__()):
                blended.append(index)
                yield tile
                cancel.set()

    with pytest.raises(Cancelled):
        blend(grid, Tiles(_cut(grid, np.zeros((100, 100, 3), np.uint8))), cancel)
    assert blended == [0, 1]
