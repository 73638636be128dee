"""Box means equal SciPy's, at any size and window."""

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


def test_differences_are_of_64_bits_too() -> None:
    planes = np.random.default_rng(3).random((4000, 1, 3), np.float32)
    planes[::7] *= np.float32(1e-5)
    window = 3
    exact = np.pad(planes.astype(np.float64), ((1, 1), (0, 0), (0, 0)), "edge")
    down = (exact[:-2] + exact[1:-1] + exact[2:]) / window
    expected = ndimage.uniform_filter1d(down, window, axis=2, mode="nearest")
    means = box_means(planes, window, "nearest")
    np.testing.assert_allclose(means, expected, rtol=3e-7)
