"""Metrics, and the scores that pass their thresholds."""

import io
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import data
from skimage.metrics import structural_similarity

from inference_worker.checks.lpips import LpipsNetwork
from inference_worker.checks.metric import ConsistencyMetric, margin, worst_margin
from inference_worker.checks.metrics import Metrics, weights_of
from inference_worker.checks.perceptual import PerceptualMetric
from inference_worker.checks.ssim import Ssim
from shared.contracts.checks import CheckedEdit, MetricWeights
from shared.errors import InvalidInputError
from shared.flux.kinds import DeviceKind

pytestmark = pytest.mark.models

_METRICS = Metrics(None, DeviceKind.CPU)


def _metric(name: str, *, side_px: int = 512) -> ConsistencyMetric:
    off = {"ssim_threshold": 0.0, f"{name}_threshold": 0.1}
    (metric,) = _METRICS.chosen(CheckedEdit(**off), side_px=side_px)
    return metric


class _Distance:
    name = "lpips"
    threshold = 0.2
    is_similarity = False
    weights = None

    def scores(
        self, sources: Sequence[NDArray[np.uint8]], edits: Sequence[NDArray[np.uint8]]
    ) -> list[float]:
        return [
            float(np.abs(source.astype(int) - edited).mean() / 255)
            for source, edited in zip(sources, edits, strict=True)
        ]

    def difference(self, source: NDArray[np.uint8], edited: NDArray[np.uint8]) -> None:
        return None


def test_ssim_equals_scikit_image_on_luma(photo: Image.Image) -> None:
    blurred = photo.filter(ImageFilter.GaussianBlur(0.5))
    luma, blurred_luma = np.asarray(photo.convert("L")), np.asarray(blurred.convert("L"))
    (score,) = Ssim(0.6).scores([np.asarray(photo)], [np.asarray(blurred)])
    expected = structural_similarity(luma, blurred_luma, data_range=255)
    assert score == pytest.approx(expected, abs=1e-6)


def test_ssim_takes_the_smallest_tiles() -> None:
    tile = np.zeros((16, 16, 3), np.uint8)
    assert Ssim(0.6).scores([tile], [tile]) == [1]


def test_threshold_zero_switches_a_metric_off() -> None:
    assert _METRICS.chosen(CheckedEdit(ssim_threshold=0), side_px=64) == []
    (ssim,) = _METRICS.chosen(CheckedEdit(ssim_threshold=0.7), side_px=64)
    assert (ssim.name, ssim.threshold, ssim.is_similarity) == ("ssim", 0.7, True)
    assert weights_of([ssim]) == MetricWeights()


def test_no_network_library_is_imported_for_ssim_alone() -> None:
    script = (
        "import sys; from inference_worker.checks.metrics import Metrics;"
        "from inference_worker.settings import DeviceKind;"
        "from shared.contracts.checks import CheckedEdit;"
        "Metrics(None, DeviceKind.CPU).chosen(CheckedEdit(), side_px=64);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_record_names_the_network(name: str) -> None:
    metric = _metric(name)
    assert not metric.is_similarity
    assert "stlpips-pytorch" in str(getattr(weights_of([metric]), name))


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_missing_network_names_its_field(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_worker.checks.weights.find_spec", lambda _: None)
    fields: dict[str, Any] = {f"{name}_threshold": 0.3}
    with pytest.raises(InvalidInputError, match=rf"{name}_threshold: .*stlpips_pytorch"):
        Metrics(None, DeviceKind.CPU).chosen(CheckedEdit(**fields), side_px=64)


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


@cache
def _picture(name: str) -> Image.Image:
    pixels = {"astronaut": data.astronaut, "coffee": data.coffee}[name]()
    whole = Image.fromarray(pixels)
    side = min(whole.size)
    return whole.crop((0, 0, side, side)).resize((128, 128), Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _noisy(picture: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 25, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", ["lpips", "dists"])
@pytest.mark.parametrize(("shown", "other"), [("astronaut", "coffee"), ("coffee", "astronaut")])
def test_worse_pictures_are_further_away(name: str, shown: str, other: str) -> None:
    picture = _picture(shown)
    worse = [
        picture,
        *(_jpeg(picture, quality) for quality in (90, 50, 10)),
        picture.filter(ImageFilter.GaussianBlur(1)),
        _noisy(picture),
        _picture(other),
    ]
    sources = [np.asarray(picture)] * len(worse)
    distances = _metric(name).scores(sources, [np.asarray(one) for one in worse])
    assert distances[0] == pytest.approx(0, abs=1e-5)
    assert distances == sorted(distances)


@pytest.mark.parametrize("shown", ["astronaut", "coffee"])
def test_a_shift_by_one_pixel_passes_lpips(shown: str) -> None:
    pixels = np.asarray(_picture(shown))
    shifted = np.roll(pixels, 1, axis=1)
    lpips, ssim = _metric("lpips"), _metric("ssim")
    assert lpips.scores([pixels], [shifted])[0] < 0.03
    assert ssim.scores([pixels], [shifted])[0] < 0.9


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_a_batch_scores_as_its_pictures_do(name: str) -> None:
    picture = _picture("coffee")
    edits = [np.asarray(_jpeg(picture, 50)), np.asarray(_noisy(picture))]
    sources, metric = [np.asarray(picture)] * 2, _metric(name)
    alone = [
        metric.scores([source], [edit])[0] for source, edit in zip(sources, edits, strict=True)
    ]
    assert metric.scores(sources, edits) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("name", ["ssim", "lpips"])
def test_map_shows_where_the_pictures_differ(name: str) -> None:
    pixels = np.asarray(_picture("coffee"))
    edited = pixels.copy()
    edited[80:112, 16:48] = 255 - edited[80:112, 16:48]
    difference = _metric(name).difference(pixels, edited)
    assert difference is not None
    assert difference.shape == pixels.shape[:2]
    assert difference[88:104, 24:40].mean() > 5 * difference[:40].mean()


@pytest.mark.parametrize("name", ["lpips", "dists"])
@pytest.mark.parametrize("size", [(16, 16), (16, 200), (700, 20)])
def test_tiles_of_any_size_are_scored(name: str, size: tuple[int, int]) -> None:
    width, height = size
    tile = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    (distance,) = _metric(name, side_px=64).scores([tile], [tile])
    assert distance == pytest.approx(0, abs=1e-5)


def test_strips_need_no_more_memory_than_squares() -> None:
    seen: list[torch.Size] = []

    class Network(LpipsNetwork):
        def distance(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            seen.append(first.shape)
            return (first - second).abs().mean(dim=(1, 2, 3))

    network = Network([], [], is_shift_tolerant=True, origin="-")
    metric = PerceptualMetric("lpips", 0.1, network, side_px=1024, device=torch.device("cpu"))
    strip = np.zeros((14_000, 16, 3), np.uint8)
    assert metric.scores([strip], [strip]) == [0]
    assert seen == [(1, 3, 512, 64)]
