"""Means over windows are SciPy's own, at any size and window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from inference_worker.vision.box_means import Edge, box_means
from tests.examples import up_to


@pytest.mark.parametrize("edge", ["nearest", "reflect"])
@settings(max_examples=up_to(60))
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    num_planes=st.integers(1, 4),
    reach=st.integers(0, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_means_are_scipys(
    edge: Edge, *, height: int, width: int, num_planes: int, reach: int, seed: int
) -> None:
    planes = np.random.default_rng(seed).random((height, num_planes, width), np.float32)
    window = 2 * reach + 1
    expected = ndimage.uniform_filter(planes, (window, 1, window), mode=edge)
    means = box_means(planes.copy(), window, edge)
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, expected, atol=1e-5)


def test_sums_do_not_drift() -> None:
    planes = np.full((4000, 1, 3), 0.1, np.float32)
    planes[::2] = 0.9
    means = box_means(planes, 33, "nearest")
    np.testing.assert_allclose(means[1000:1002], means[3000:3002], atol=1e-7)
