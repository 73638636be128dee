"""Rectangular regions of a picture in whole pixels, and its division into them."""

from collections.abc import Iterator
from typing import NamedTuple


class Region(NamedTuple):
    """A rectangle in whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    @property
    def slices(self) -> tuple[slice, slice]:
        """Slices of its rows and columns, as array indices."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by: int, within: tuple[int, int]) -> "Region":
        """Return the region extended by `by` pixels on each side, clipped to (width, height)."""
        width, height = within
        return Region(
            max(self.left - by, 0),
            max(self.top - by, 0),
            min(self.right + by, width),
            min(self.bottom + by, height),
        )

    def relative_to(self, other: "Region", scale: int = 1) -> "Region":
        """Return the region in the coordinates of another one that is scaled by an integer."""
        return Region(
            (self.left - other.left) * scale,
            (self.top - other.top) * scale,
            (self.right - other.left) * scale,
            (self.bottom - other.top) * scale,
        )


def regions(size: tuple[int, int], side: int) -> Iterator[Region]:
    """Cover a picture once, row by row, with regions of at most `side` pixels a side."""
    width, height = size
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield Region(left, top, min(left + side, width), min(top + side, height))
