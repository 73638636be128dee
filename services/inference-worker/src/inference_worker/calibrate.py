"""Calibration of the first-block cache: the largest threshold within an LPIPS budget.

`python -m inference_worker.calibrate --budget 0.1` on the worker's own model, settings and
hardware.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from inference_worker.checks.perceptual import PerceptualMetric
from inference_worker.checks.weights import load_lpips
from inference_worker.engine.model_store import ModelStore, OpenedModel
from inference_worker.profiles.transformer import set_cache_threshold
from inference_worker.settings import InferenceSettings
from shared.cancellation import NEVER
from shared.flux.engine import ignore_step
from shared.flux.packaged import packaged_model
from shared.flux.pipeline.conditioning import Conditioning
from shared.flux.pipeline.diffusers_functions import hide_progress_bars
from shared.flux.pipeline.prepare import cpu_generator
from shared.settings import ModelSettings

_JUDGED_PX = 512
"""Longer side at which pictures are compared."""
THRESHOLDS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2)
PROMPTS = (
    "a red dress on a mannequin, studio light, white background",
    "a woman in a green coat walks through a crowded street at dusk",
    "a close-up of woven blue fabric",
)

Distance = Callable[[Image.Image, Image.Image], float]


@dataclass(frozen=True)
class Trial:
    """The pictures that thresholds are measured with.

    Attributes:
        prompts: one or more.
        seeds: each prompt is generated with each seed.
        side_px: both sides of a picture.
        num_steps: denoise steps.
        guidance_scale: distilled guidance.
    """

    prompts: Sequence[str]
    seeds: Sequence[int]
    side_px: int
    num_steps: int
    guidance_scale: float


@dataclass(frozen=True)
class Measured:
    """The effect of one threshold.

    Attributes:
        threshold: of the first-block cache.
        worst: the greatest LPIPS distance of a picture.
        mean: the mean distance.
        speed_up: time without the cache, over time with it.
    """

    threshold: float
    worst: float
    mean: float
    speed_up: float


def measure(
    opened: OpenedModel, trial: Trial, thresholds: Iterable[float], distance: Distance
) -> list[Measured]:
    """Compare cached pictures with uncached ones of the same prompt and seed.

    Args:
        opened: the model; its transformer is left without a cache.
        trial: the pictures.
        thresholds: of the first-block cache.
        distance: measures two pictures.
    """
    transformer = opened.parts["transformer"]
    try:
        set_cache_threshold(transformer, 0)
        _make(opened, trial)  # warms up
        plain, plain_s = _make(opened, trial)
        found: list[Measured] = []
        for threshold in thresholds:
            set_cache_threshold(transformer, threshold)
            cached, cached_s = _make(opened, trial)
            distances = [distance(one, other) for one, other in zip(plain, cached, strict=True)]
            found.append(
                Measured(threshold, max(distances), statistics.mean(distances), plain_s / cached_s)
            )
    finally:
        set_cache_threshold(transformer, 0)
    return found


def lpips_distance(device: torch.device, folder: Path | None = None) -> Distance:
    """Return LPIPS: 0 for equal pictures; about 0.1 is hard to see side by side.

    Args:
        device: the device that computes.
        folder: of classic backbones; None: the packaged one.
    """
    metric = PerceptualMetric(
        "lpips", 1.0, load_lpips(folder, device), side_px=_JUDGED_PX, device=device
    )

    def distance(one: Image.Image, other: Image.Image) -> float:
        (score,) = metric.scores([np.asarray(one)], [np.asarray(other)])
        return score

    return distance


def largest_within(found: Iterable[Measured], budget: float) -> Measured | None:
    """Return the largest threshold up to which no picture exceeds the budget, or None."""
    best: Measured | None = None
    for measured in sorted(found, key=lambda measured: measured.threshold):
        if measured.worst > budget:
            break
        best = measured
    return best


@torch.inference_mode()
def _make(opened: OpenedModel, trial: Trial) -> tuple[list[Image.Image], float]:
    """Return the pictures, and the seconds of their denoising."""
    size = (trial.side_px, trial.side_px)
    model = opened.model
    pictures: list[Image.Image] = []
    elapsed_s = 0.0
    for prompt in trial.prompts:
        conditioning = Conditioning(model.embed(prompt), trial.guidance_scale)
        for seed in trial.seeds:
            start = model.start_from_noise(size, trial.num_steps, cpu_generator(seed))
            begun_s = time.perf_counter()
            latents = model.denoise(start, conditioning, on_step=ignore_step, cancel=NEVER)
            elapsed_s += time.perf_counter() - begun_s
            pictures.append(model.decode(latents, size))
    return pictures, elapsed_s


def _report(console: Console, found: Sequence[Measured], budget: float) -> int:
    table = Table("threshold", "LPIPS, worst", "LPIPS, mean", "speed-up")
    for measured in found:
        table.add_row(
            f"{measured.threshold:g}",
            f"{measured.worst:.4f}",
            f"{measured.mean:.4f}",
            f"{measured.speed_up:.2f} ×",
        )
    console.print(table)
    best = largest_within(found, budget)
    if best is None:
        console.print(f"no threshold keeps every picture within {budget:g}: leave the cache off")
        return 1
    console.print(f"SARTIQ_INFERENCE_CACHE_THRESHOLD={best.threshold:g}", highlight=False)
    return 0


def main() -> int:
    """Measure with the worker's settings; return 1 where no threshold is within the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=0.1, help="greatest LPIPS of a picture")
    parser.add_argument("--seeds", type=int, default=2, help="pictures of each prompt")
    parser.add_argument("--thresholds", type=float, nargs="+", default=THRESHOLDS)
    options = parser.parse_args()
    console = Console()
    hide_progress_bars()
    settings, model = InferenceSettings(), ModelSettings()
    store = ModelStore(settings.model_copy(update={"cache_threshold": 0}))
    opened = store.open(model.source or str(packaged_model()))
    trial = Trial(
        prompts=PROMPTS,
        seeds=range(options.seeds),
        side_px=model.native_side_px,
        num_steps=model.num_default_steps or opened.model.default_steps,
        guidance_scale=settings.guidance_scale,
    )
    distance = lpips_distance(store.device, settings.metrics_dir)
    found = measure(opened, trial, options.thresholds, distance)
    return _report(console, found, options.budget)


if __name__ == "__main__":
    sys.exit(main())
