"""Grids of tiles: they cover the picture, overlap, and stay inside it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.refinement.grid import Grid, lay_grid

_SIDES = st.integers(16, 3000)
_COUNTS = st.integers(1, 64)
_FEATHERS = st.integers(0, 512)


@given(width=_SIDES, height=_SIDES, num_tiles=_COUNTS, feather_px=_FEATHERS)
def test_grid_keeps_its_invariants(
    width: int, height: int, num_tiles: int, feather_px: int
) -> None:
    grid = lay_grid((width, height), num_tiles=num_tiles, feather_px=feather_px)
    for axis, length in ((grid.columns, width), (grid.rows, height)):
        spans = axis.spans
        assert axis.length == length
        assert spans[0].core_start == 0
        assert spans[-1].core_stop == length
        assert len({span.stop - span.start for span in spans}) == 1
        for span in spans:
            assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= length
            assert span.core_stop - span.core_start >= min(16, length)
            # The pixels that the blend needs of a tile are in the tile.
            assert span.start <= max(span.core_start - axis.feather_px / 2, 0)
            assert span.stop >= min(span.core_stop + axis.feather_px / 2, length)
        for left, right in itertools.pairwise(spans):
            assert left.core_stop == right.core_start
            assert left.stop - right.start >= axis.feather_px
            cores = (left.core_stop - left.core_start, right.core_stop - right.core_start)
            assert axis.feather_px <= min(feather_px, *cores)
    assert [tile.index for tile in grid.tiles] == list(range(len(grid.tiles)))


@given(width=st.integers(1024, 4096), height=st.integers(1024, 4096), num_tiles=_COUNTS)
def test_count_is_near_the_requested_one(width: int, height: int, num_tiles: int) -> None:
    count = len(lay_grid((width, height), num_tiles=num_tiles, feather_px=32).tiles)
    assert num_tiles / 1.5 <= count <= num_tiles * 1.5


def _shape(grid: Grid) -> tuple[int, int]:
    return len(grid.columns.spans), len(grid.rows.spans)


@pytest.mark.parametrize(
    ("size", "num_tiles", "shape"),
    [
        ((2048, 2048), 9, (3, 3)),
        ((128, 128), 9, (3, 3)),
        ((2048, 2048), 1, (1, 1)),
        ((2048, 2048), 64, (8, 8)),
        ((1600, 2400), 6, (2, 3)),
        ((2400, 1600), 6, (3, 2)),
        ((4096, 512), 8, (8, 1)),
        ((512, 4096), 8, (1, 8)),
        ((16, 16), 64, (1, 1)),
        ((40, 20), 9, (2, 1)),
    ],
)
def test_grid_follows_the_proportions(
    size: tuple[int, int], num_tiles: int, shape: tuple[int, int]
) -> None:
    assert _shape(lay_grid(size, num_tiles=num_tiles, feather_px=32)) == shape


def test_feather_is_kept_where_tiles_are_large_and_shrinks_where_they_are_not() -> None:
    large = lay_grid((3000, 3000), num_tiles=9, feather_px=64)
    assert (large.columns.feather_px, large.rows.feather_px) == (64, 64)
    small = lay_grid((90, 60), num_tiles=9, feather_px=64)
    assert small.columns.feather_px == 90 // len(small.columns.spans)


def test_tiles_see_beyond_their_core_without_a_feather() -> None:
    grid = lay_grid((3000, 3000), num_tiles=9, feather_px=0)
    first, second = grid.columns.spans[:2]
    assert first.stop - second.start >= 1000 / 8


def test_cores_cover_the_picture_once() -> None:
    grid = lay_grid((331, 257), num_tiles=12, feather_px=16)
    covered = np.zeros((257, 331), int)
    for tile in grid.tiles:
        rows = slice(tile.row.core_start, tile.row.core_stop)
        covered[rows, tile.column.core_start : tile.column.core_stop] += 1
        left, top, right, bottom = tile.box
        assert tile.size == (right - left, bottom - top)
    assert (covered == 1).all()
