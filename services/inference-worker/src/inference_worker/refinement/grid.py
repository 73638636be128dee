"""The grid of tiles: their cores cover the picture once, the tiles around them overlap."""

import itertools
import math
from dataclasses import dataclass

_MIN_CORE_PX = 16
_CONTEXT = 8
"""A tile overlaps its neighbour by at least 1/8 of its core, to give the edit context."""
_COUNT_TOLERANCE = 1.5


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels: `start` to `stop` with overlap, and its core."""

    start: int
    stop: int
    core_start: int
    core_stop: int


@dataclass(frozen=True)
class Tile:
    """One tile of a grid, row by row."""

    index: int
    column: Span
    row: Span

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.column.start, self.row.start, self.column.stop, self.row.stop

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.column.stop - self.column.start, self.row.stop - self.row.start


@dataclass(frozen=True)
class Axis:
    """The tiles along one axis, all equally long."""

    length: int
    spans: tuple[Span, ...]
    feather_px: int
    """Width of the blend around each border between cores; reduced for small pictures."""


@dataclass(frozen=True)
class Grid:
    """The tiles of one picture, all of one size, so that a compiled model sees one shape."""

    columns: Axis
    rows: Axis

    @property
    def tiles(self) -> list[Tile]:
        """All tiles, row by row."""
        spans = [(row, column) for row in self.rows.spans for column in self.columns.spans]
        return [Tile(index, column, row) for index, (row, column) in enumerate(spans)]


def lay_grid(size: tuple[int, int], *, num_tiles: int, feather_px: int) -> Grid:
    """Divide a picture into about `num_tiles` tiles that are nearly square.

    Args:
        size: width and height of the picture.
        num_tiles: the target; of the counts near it, the one with the squarest tiles is chosen.
        feather_px: width of the blend; tiles overlap by at least this much.
    """
    num_columns, num_rows = _choose_counts(size, num_tiles)
    return Grid(_divide(size[0], num_columns, feather_px), _divide(size[1], num_rows, feather_px))


def split_longer_side(size: tuple[int, int], *, num_tiles: int, feather_px: int) -> Grid:
    """Divide a picture along its longer side into exactly `num_tiles` tiles."""
    width, height = size
    num_columns, num_rows = (num_tiles, 1) if width >= height else (1, num_tiles)
    return Grid(_divide(width, num_columns, feather_px), _divide(height, num_rows, feather_px))


def _choose_counts(size: tuple[int, int], num_tiles: int) -> tuple[int, int]:
    width, height = size
    most_columns = min(num_tiles, max(width // _MIN_CORE_PX, 1))
    most_rows = min(num_tiles, max(height // _MIN_CORE_PX, 1))
    counts = [
        (columns, rows)
        for columns in range(1, most_columns + 1)
        for rows in range(1, most_rows + 1)
        if columns * rows <= num_tiles * _COUNT_TOLERANCE
    ]
    # Small pictures may have no grid near that count: then the largest one is used.
    least = min(num_tiles / _COUNT_TOLERANCE, max(columns * rows for columns, rows in counts))

    def cost(count: tuple[int, int]) -> tuple[float, int, int]:
        columns, rows = count
        off_count = math.log(columns * rows / num_tiles)
        off_square = math.log((width / columns) / (height / rows))
        return round(off_count**2 + off_square**2, 9), abs(columns * rows - num_tiles), columns

    return min((count for count in counts if count[0] * count[1] >= least), key=cost)


def _divide(length: int, num_spans: int, feather_px: int) -> Axis:
    if num_spans == 1:
        return Axis(length, (Span(0, length, 0, length),), feather_px=0)
    borders = [round(index * length / num_spans) for index in range(num_spans + 1)]
    cores = list(itertools.pairwise(borders))
    sides = [stop - start for start, stop in cores]
    # At most a core wide, or the blends at its two borders would overlap.
    feather = min(feather_px, *sides)
    margin = max(math.ceil(feather / 2), math.ceil(max(sides) / _CONTEXT / 2))
    span_px = min(max(sides) + 2 * margin, length)
    spans: list[Span] = []
    for core_start, core_stop in cores:
        start = min(max(core_start - margin, 0), length - span_px)
        spans.append(Span(start, start + span_px, core_start, core_stop))
    return Axis(length, tuple(spans), feather)
