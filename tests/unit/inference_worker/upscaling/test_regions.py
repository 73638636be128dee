"""Regions: they cover a picture once, and convert to relative coordinates."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.upscaling.regions import Region, regions

_SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(size=_SIZES, side=st.integers(1, 40))
def test_every_pixel_is_in_one_region(size: tuple[int, int], side: int) -> None:
    count = np.zeros(size[::-1], int)
    for region in regions(size, side):
        assert max(region.size) <= side
        count[region.slices] += 1
    assert (count == 1).all()


@given(size=_SIZES, side=st.integers(1, 40), by=st.integers(0, 40))
def test_grown_region_locates_the_original_pixels(
    size: tuple[int, int], side: int, by: int
) -> None:
    picture = np.arange(size[0] * size[1]).reshape(size[::-1])
    doubled = picture.repeat(2, axis=0).repeat(2, axis=1)
    for region in regions(size, side):
        grown = region.grown(by, size)
        assert 0 <= grown.left <= region.left < region.right <= grown.right <= size[0]
        around = picture[grown.slices]
        assert (around[region.relative_to(grown).slices] == picture[region.slices]).all()
        larger = region.relative_to(Region(0, 0, 0, 0), 2)
        within = around.repeat(2, axis=0).repeat(2, axis=1)[region.relative_to(grown, 2).slices]
        assert (within == doubled[larger.slices]).all()
