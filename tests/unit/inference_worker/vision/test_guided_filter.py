"""The guided filter equals the paper's, and masks do not depend on the number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from inference_worker.vision.guided_filter import guided_mask
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from tests.examples import up_to


def _plain(mask: NDArray[np.float32], picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute equations 14 to 16 of the paper, and the final clipping, in 64 bits."""
    window = max(3, round(max(mask.shape) / 32) | 1)
    guide = picture / 255

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        extra = (1,) * (values.ndim - 2)
        return ndimage.uniform_filter(values, (window, window, *extra), mode="nearest")

    guide_mean, mask_mean = mean(guide), mean(mask.astype(float))
    pairs = mean(guide[..., :, None] * guide[..., None, :])
    spread = pairs - guide_mean[..., :, None] * guide_mean[..., None, :] + 1e-4 * np.eye(3)
    covariance = mean(guide * mask[..., None]) - guide_mean * mask_mean[..., None]
    slopes = np.linalg.solve(spread, covariance[..., None])[..., 0]
    offset = mask_mean - (slopes * guide_mean).sum(axis=2)
    refined = (mean(slopes) * guide).sum(axis=2) + mean(offset)
    return np.clip((refined - 0.05) / 0.9, 0, 1)


@settings(max_examples=up_to(20))
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    most=st.integers(0, 255),
    seed=st.integers(0, 2**32 - 1),
)
def test_filter_equals_the_papers(*, height: int, width: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, most + 1, (height, width, 3), np.uint8)
    mask = rng.random((height, width), np.float32)
    refined = guided_mask(mask, picture, longest=1024)
    assert np.abs(refined - _plain(mask, picture)).max() <= 1 / 255


@pytest.mark.models
def test_threads_do_not_change_the_mask(astronaut: NDArray[np.uint8]) -> None:
    alone, together = (
        VisionModels(VisionSettings(threads=threads)).subjects.subject_mask(astronaut)
        for threads in (1, 4)
    )
    assert np.abs(alone - together).max() <= 1 / 255
