"""Adjusting and background fixing on 24 megapixels, beside a plain implementation of each.

Run it with `python tests/bench/pictures.py`. Seconds are CPU time of this process on one core, so
that other load on the machine counts little, without decoding and encoding. The plain
implementations use Pillow and scikit-image: a resize of the whole picture, then a paste; CIELAB
arrays of the whole picture. Exits 1 where a goal is missed.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.color import lab2rgb, rgb2lab
from skimage.morphology import disk

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer, move_background
from inference_worker.backgrounds.protection import Protection
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.adjusting import AdjustInputs
from shared.contracts.backgrounds import BackgroundFixInputs
from shared.pixels.lab import LabColour, Ramp
from tests.bench.goals import Goal, conclude

WIDTH, HEIGHT = 4000, 6000
PLAIN_SHARE = 6
"""Part of the picture for the plain background fix, which takes gigabytes for the whole."""
CREAM = LabColour(92, -0.3, 9.7)
RUNS = 3


class GivenMask:
    """A segmenter that returns a given mask."""

    def __init__(self, mask: np.ndarray) -> None:
        self._mask = mask

    def subject_mask(self, _picture: np.ndarray) -> np.ndarray:
        return self._mask


def studio() -> tuple[Image.Image, np.ndarray]:
    """Return a picture of a person before a light, noisy wall, and the person's mask."""
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.float32)
    light = np.linspace(250, 140, HEIGHT, dtype=np.float32)[:, None, None]
    wall = np.clip((light + noise) * np.array([0.97, 0.98, 1], np.float32), 0, 255)
    picture = Image.fromarray(wall.astype(np.uint8))
    picture.paste((150, 30, 40), (1300, 700, 2700, HEIGHT))
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[700:, 1300:2700] = 1
    return picture, mask


def seconds(work: Callable[[], Any], runs: int = RUNS) -> float:
    """Return the least CPU time of some runs."""
    times: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def peak_growth_mib(work: Callable[[], Any]) -> float:
    """Return the peak growth of resident memory during a call, in MiB; Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_kib("VmRSS")
    work()
    return (_status_kib("VmHWM") - before) / 1024


def _status_kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def plain_fix(picture: Image.Image, mask: np.ndarray) -> np.ndarray:
    """Apply lab_shift by its plain formula."""
    grown = binary_dilation(mask > 0.5, disk(30, decomposition="sequence")[0][0])
    for footprint, times in disk(30, decomposition="sequence")[1:]:
        grown = binary_dilation(grown, footprint, iterations=times)
    protected = gaussian_filter(grown.astype(np.float32), 20)
    lab = rgb2lab(np.asarray(picture))
    weight = np.clip((lab[..., 0] * 2.55 - 150) / 70, 0, 1) * (1 - protected)
    lab += weight[..., None] * (np.array([92, -0.3, 9.7]) - lab)
    return (lab2rgb(lab) * 255).round().astype(np.uint8)


def fix(picture: Image.Image, mask: np.ndarray) -> Image.Image:
    """Apply our lab_shift."""
    protection = Protection(mask, grow_px=0.005 * HEIGHT, blur_sigma_px=20)
    return move_background(picture, CREAM, protection, Ramp(150, 220))


def measure(console: Console) -> list[Goal]:
    """Measure, print both implementations, and return the figures that have goals."""
    picture, mask = studio()
    adjuster = ImageAdjuster(lambda: GivenMask(mask), max_output_pixels=67_108_864)
    part = picture.crop((0, 0, WIDTH, HEIGHT // PLAIN_SHARE))
    part_mask = mask[: HEIGHT // PLAIN_SHARE]
    fixing = seconds(lambda: fix(picture, mask))
    peak_mib = peak_growth_mib(lambda: fix(picture, mask))
    goals = [_whole_fix(picture)]
    for name, fields in (
        ("pad to 1600 × 2000", {"mode": "pad"}),
        ("pad, four margins", {"mode": "pad", **dict.fromkeys(("margin_top", "margin_left"), 0.1)}),
        ("crop to 1600 × 2000", {"mode": "crop"}),
        ("scale to the margins", {"mode": "scale", "margin_top": 0.1, "margin_bottom": 0.05}),
    ):
        inputs = AdjustInputs(input_image="-", target_width=1600, target_height=2000, **fields)
        taken = seconds(lambda inputs=inputs: adjuster.adjust(picture, None, inputs))
        goals.append(Goal(f"image adjuster, 24 MP, {name}", taken, 0.5, is_at_most=True, unit="s"))
    plain_adjust = seconds(
        lambda: ImageOps.pad(picture, (1600, 2000), Image.Resampling.LANCZOS, "white")
    )
    plain = seconds(lambda: plain_fix(part, part_mask), 1) * PLAIN_SHARE
    goals.append(
        Goal("lab_shift against scikit-image's arrays", plain / fixing, 3, is_at_most=False)
    )
    console.print(f"image adjuster beside Pillow's ImageOps.pad, 24 MP: {plain_adjust:.2f} s")
    console.print(f"lab_shift with its mask given: {fixing:.2f} s")
    console.print(f"lab_shift over scikit-image's arrays, its mask given: {plain:.1f} s")
    console.print(f"lab_shift's peak memory beside picture and mask: {peak_mib:.0f} MiB")
    return goals


def _whole_fix(picture: Image.Image) -> Goal:
    """Run the whole operation, including the packaged models that find the foreground."""
    models = VisionModels(VisionSettings(threads=1))
    fixer = BackgroundFixer(models)
    palette = Image.new("RGB", (64, 64), "#e8e0d0")
    inputs = BackgroundFixInputs(base_image="-", palette_image="-")
    fixer.fix(picture, palette, inputs)  # loads the models
    taken = seconds(lambda: fixer.fix(picture, palette, inputs))
    return Goal("masks and lab_shift, 24 MP, one core", taken, 2.5, is_at_most=True, unit="s")


if __name__ == "__main__":
    output = Console()
    sys.exit(conclude(output, measure(output)))
