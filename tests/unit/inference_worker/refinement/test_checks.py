"""Metrics, their thresholds, and what passes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference_worker.refinement.checks import Ssim, margin, metrics_for, worst_margin
from shared.contracts.refinement import TiledRefinerConfig
from shared.errors import InvalidInputError


class _Distance:
    name = "lpips"
    threshold = 0.2
    is_similarity = False

    def score(self, source: NDArray[np.uint8], edited: NDArray[np.uint8]) -> float:
        return float(np.abs(source.astype(int) - edited).mean() / 255)


def test_ssim_is_one_for_equal_pictures_and_falls_with_change(photo: Image.Image) -> None:
    ssim, pixels = Ssim(0.6), np.asarray(photo)
    blurred = np.asarray(photo.filter(ImageFilter.GaussianBlur(0.5)))
    other = np.asarray(photo.rotate(180))
    assert ssim.score(pixels, pixels) == 1
    assert 1 > ssim.score(pixels, blurred) > ssim.score(pixels, other)


def test_ssim_takes_the_smallest_tiles() -> None:
    tile = np.zeros((16, 16, 3), np.uint8)
    assert Ssim(0.6).score(tile, tile) == 1


def test_threshold_zero_switches_a_metric_off() -> None:
    assert metrics_for(TiledRefinerConfig(ssim_threshold=0)) == []
    (ssim,) = metrics_for(TiledRefinerConfig(ssim_threshold=0.7))
    assert (ssim.name, ssim.threshold, ssim.is_similarity) == ("ssim", 0.7, True)


@pytest.mark.parametrize("field", ["lpips_threshold", "dists_threshold"])
def test_missing_metric_names_its_field(field: str) -> None:
    fields: dict[str, Any] = {field: 0.3}
    with pytest.raises(InvalidInputError, match=rf"{field}.*leave it at 0"):
        metrics_for(TiledRefinerConfig(**fields))


def test_similarities_pass_at_or_above_and_distances_at_or_below() -> None:
    assert margin(Ssim(0.6), 0.6) == 0
    assert margin(Ssim(0.6), 0.59) < 0
    assert margin(_Distance(), 0.2) == 0
    assert margin(_Distance(), 0.21) < 0


def test_the_worst_metric_decides() -> None:
    metrics = [Ssim(0.6), _Distance()]
    assert worst_margin(metrics, [0.9, 0.1]) == pytest.approx(0.1)
    assert worst_margin(metrics, [0.5, 0.0]) == pytest.approx(-0.1)
    assert worst_margin([], []) == 0
