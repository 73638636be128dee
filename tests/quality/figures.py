"""The measured figures of each operation, and their goals."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import binary_erosion
from skimage import data
from skimage.color import deltaE_cie76, rgb2lab
from skimage.metrics import structural_similarity

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.checks.metrics import Metrics
from inference_worker.checks.ssim import Ssim
from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.refinement.grid import lay_grid
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.adjusting import AdjustInputs
from shared.contracts.background_removal import RembgModel
from shared.contracts.backgrounds import BackgroundFixInputs
from shared.contracts.checks import CheckedEdit
from shared.contracts.fixing import FixConfig
from shared.contracts.refinement import UpscalerKind
from shared.flux.engine import Edit
from shared.flux.kinds import DeviceKind
from tests.bench.goals import Goal
from tests.fakes.engine import PaintingEngine
from tests.fakes.people import FakePeople
from tests.fixtures.segmenters import ColourSegmenter
from tests.quality.editors import open_editors

CASES = 200
SAND = (216, 200, 176)
_NETWORK_TESTS = Path(__file__).parents[1] / "unit/inference_worker/checks/test_networks.py"
_TILE_PX = 64
_SHIFT_PASSES = 0.03
"""Limit for the LPIPS of a 1-pixel shift; that of a JPEG of quality 10 is several times larger."""


class ShiftingEngine(PaintingEngine):
    """An engine that shifts the colour of each tile by up to 8 levels and changes nothing else."""

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        shift = np.random.default_rng(edit.seed).integers(-8, 9, 3)
        return Image.fromarray(np.clip(np.asarray(image) + shift, 0, 255).astype(np.uint8))


def identity_refines() -> Goal:
    """Measure refines of random pictures, tile counts and feathers with the identity editor."""
    rng = np.random.default_rng(0)
    worst = 0
    with open_editors(IdentityEngine(edit_side_px=_TILE_PX), FakePeople()) as editors:
        for case in range(CASES):
            width, height = rng.integers(16, 121, 2).tolist()
            base = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
            factor = float(rng.choice([1.0, 1.3, 2.0]))
            refined = editors.refine(
                base,
                {"upscale_factor": factor},
                version=str(case % 2 + 1),
                num_tiles=int(rng.integers(1, 13)),
                feather_px=int(rng.integers(0, 65)),
            )
            plain = base.resize(refined.image.size, Image.Resampling.LANCZOS)
            off = np.abs(np.asarray(refined.image, int) - np.asarray(plain, int)).max()
            worst = max(worst, int(off))
    name = f"identity editor, {CASES} random refines, largest deviation"
    return Goal(name, worst, 1, is_at_most=True, unit="levels")


def seams(version: str) -> Goal:
    """Measure the gradient across the borders of tile cores over that elsewhere.

    The texture is even and faint, so that a hard border of a few levels shows. It is not upscaled,
    since upscaling makes the gradients of its even and odd columns differ.
    """
    noise = np.random.default_rng(1).normal(128, 3, (384, 384, 3))
    base = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    with open_editors(ShiftingEngine(edit_side_px=_TILE_PX), FakePeople()) as editors:
        refined = editors.refine(
            base, {"upscale_factor": 1.0}, version=version, num_tiles=9, ssim_threshold=0
        ).image
    grid = lay_grid(refined.size, num_tiles=9, feather_px=32)
    pixels = np.asarray(refined, float)
    across, inside = list[float](), list[float]()
    for axis, spans in ((1, grid.columns.spans), (0, grid.rows.spans)):
        steps = np.abs(np.diff(pixels, axis=axis)).mean(axis=(1 - axis, 2))
        borders = [span.core_stop - 1 for span in spans[:-1]]
        across += steps[borders].tolist()
        inside += np.delete(steps, borders).tolist()
    ratio = float(np.mean(across) / np.mean(inside))
    return Goal(
        f"gradient across tiles' borders / inside, v{version}", ratio, 1.05, is_at_most=True
    )


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _square(pixels: Any) -> Image.Image:
    whole = Image.fromarray(pixels)
    side = min(whole.size)
    return whole.crop((0, 0, side, side)).resize((128, 128), Image.Resampling.LANCZOS)


def checks() -> list[Goal]:
    """Measure the metrics: order of distortions, a shift, and SSIM against scikit-image."""
    pictures = [_square(data.astronaut()), _square(data.coffee())]
    metrics = Metrics(None, DeviceKind.CPU)
    config = CheckedEdit(ssim_threshold=0, lpips_threshold=0.1, dists_threshold=0.1)
    lpips, dists = metrics.chosen(config, side_px=512)
    out_of_order, farthest, ssim_off = 0, 0.0, 0.0
    for picture, other in zip(pictures, reversed(pictures), strict=True):
        pixels = np.asarray(picture)
        noise = np.random.default_rng(0).normal(0, 25, pixels.shape)
        noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        worse = [picture, *(_jpeg(picture, quality) for quality in (90, 50, 10))]
        worse += [picture.filter(ImageFilter.GaussianBlur(1)), Image.fromarray(noisy), other]
        edits = [np.asarray(one) for one in worse]
        for metric in (lpips, dists):
            distances = metric.scores([pixels] * len(edits), edits)
            out_of_order += _falls(distances)
        farthest = max(farthest, lpips.scores([pixels], [np.roll(pixels, 1, axis=1)])[0])
        luma, worse_luma = (np.asarray(one.convert("L")) for one in (picture, worse[3]))
        expected: Any = structural_similarity(luma, worse_luma, data_range=255)
        ssim_off = max(ssim_off, abs(Ssim(0.6).scores([pixels], [edits[3]])[0] - expected))
    pytest = [sys.executable, "-m", "pytest", "-q", "-k", "authors", str(_NETWORK_TESTS)]
    failed = subprocess.run(pytest, check=False, capture_output=True).returncode
    return [
        Goal(
            "LPIPS and DISTS: distortions out of order, JPEG 90/50/10 < blur < noise < other",
            out_of_order,
            0,
            is_at_most=True,
            unit="",
        ),
        Goal("LPIPS of a shift by one pixel", farthest, _SHIFT_PASSES, is_at_most=True, unit=""),
        Goal("SSIM, off scikit-image × 10⁶", 1e6 * ssim_off, 1, is_at_most=True, unit=""),
        Goal(
            "LPIPS, DISTS within 1e-5 of their authors' code: exit status of the tests",
            failed,
            0,
            is_at_most=True,
            unit="",
        ),
    ]


def upscaler(models: Upscalers) -> Goal:
    """Compare Real-ESRGAN with Lanczos on photographs that were reduced four times."""
    config = CheckedEdit(ssim_threshold=0, lpips_threshold=0.1)
    (lpips,) = Metrics(None, DeviceKind.CPU).chosen(config, side_px=512)
    worst = 0.0
    for photograph in (data.astronaut(), data.coffee(), data.chelsea()):
        whole = _square(photograph)
        small = whole.resize((32, 32), Image.Resampling.BOX)
        ways = [models.open(kind).upscale(small, whole.size) for kind in UpscalerKind]
        plain, drawn = lpips.scores([np.asarray(whole)] * 2, [np.asarray(way) for way in ways])
        worst = max(worst, drawn / plain)
    name = "Real-ESRGAN 4 ×, LPIPS to the original / that of Lanczos, worst of 3"
    return Goal(name, worst, 0.9, is_at_most=True)


def _falls(distances: Sequence[float]) -> int:
    return int((np.diff(distances) < 0).sum())


def people(models: VisionModels) -> list[Goal]:
    """Measure faces and cut-outs."""
    astronaut, coffee = data.astronaut(), data.coffee()
    with open_editors(ShiftingEngine(edit_side_px=_TILE_PX), models) as editors:
        unchanged = editors.enhance_faces(Image.fromarray(coffee), FixConfig()).image
    masks = [
        models.subjects_by(models.choose_subject_model(name)).subject_mask(astronaut)
        for name in (RembgModel.U2NETP, RembgModel.ISNET_GENERAL_USE)
    ]
    first, second = [mask >= 0.5 for mask in masks]
    overlap = float((first & second).sum() / (first | second).sum())
    differing = 100 * float((first != second).mean())
    found = len(models.faces.faces(astronaut))
    changed = float(unchanged is not None)
    return [
        Goal("faces on the astronaut", found, 1, is_at_most=False, unit=""),
        Goal("pictures of coffee that a face fixer changed", changed, 0, is_at_most=True, unit=""),
        Goal("IoU of u2netp and ISNet on the astronaut", overlap, 0.95, is_at_most=False, unit=""),
        Goal("pixels in only one of both masks", differing, 0.1, is_at_most=False, unit="%"),
    ]


def adjuster() -> list[Goal]:
    """Measure mode scale on random sizes, subjects and margins."""
    rng = np.random.default_rng(2)
    wrong_sizes, farthest = 0, 0.0
    adjusting = ImageAdjuster(ColourSegmenter, max_output_pixels=4_000_000)
    for _ in range(CASES):
        width, height, target_width, target_height = rng.integers(80, 400, 4).tolist()
        left, top = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
        right = int(rng.integers(left + 30, width + 1)) if left + 30 < width else width
        bottom = int(rng.integers(top + 30, height + 1)) if top + 30 < height else height
        picture = Image.new("RGB", (width, height), (200, 200, 200))
        picture.paste("red", (left, top, right, bottom))
        margins = rng.uniform(0.02, 0.3, 2).tolist()
        inputs = AdjustInputs(
            input_image="-",
            mode="scale",
            scaling_proportions="height",
            target_width=target_width,
            target_height=target_height,
            margin_top=margins[0],
            margin_bottom=margins[1],
        )
        result = adjusting.adjust(picture, None, inputs)
        wrong_sizes += result.size != (target_width, target_height)
        red, green, _ = np.moveaxis(np.asarray(result, float), 2, 0)
        rows = np.clip((red - green) / 255, 0, 1).max(axis=1)
        for line, wanted in ((rows, margins[0]), (rows[::-1], margins[1])):
            before = float((1 - line[: line.argmax()]).sum())
            farthest = max(farthest, abs(before - wanted * target_height))
    return [
        Goal(f"image adjuster, wrong sizes of {CASES}", wrong_sizes, 0, is_at_most=True, unit=""),
        Goal(
            "image adjuster, worst margin off by",
            farthest,
            1,
            is_at_most=True,
            unit="pixels",
        ),
    ]


def backgrounds(models: VisionModels) -> list[Goal]:
    """Measure lab_shift on the astronaut: the person stays, the wall takes the palette's colour."""
    base = Image.fromarray(data.astronaut())
    palette = Image.new("RGB", (32, 32), SAND)
    fixer = BackgroundFixer(models)

    def fix(**fields: Any) -> np.ndarray:
        inputs = BackgroundFixInputs(base_image="-", palette_image="-", **fields)
        return np.asarray(rgb2lab(np.asarray(fixer.fix(base, palette, inputs).image)))

    mask = models.persons.person_mask(np.asarray(base))
    own = rgb2lab(np.asarray(base))
    person = binary_erosion(mask >= 0.5, iterations=8)
    moved = float(deltaE_cie76(fix(), own)[person].mean())
    everywhere = fix(edge_blur_sigma=4, shadow_threshold=0, light_threshold=1)
    wall = binary_erosion(mask < 0.01, iterations=24) & (own[..., 0] * 2.55 >= 1)
    colour = rgb2lab(np.array([[SAND]], np.uint8))[0, 0]
    off = float(np.linalg.norm(everywhere[wall].mean(axis=0) - colour))
    return [
        Goal("lab_shift, the person's mean ΔE", moved, 0.5, is_at_most=True, unit=""),
        Goal("lab_shift, wall to palette, ΔE", off, 2, is_at_most=True, unit=""),
    ]


def measure(models: VisionModels) -> list[Goal]:
    """Measure every figure."""
    return [
        identity_refines(),
        seams("1"),
        seams("2"),
        *checks(),
        upscaler(Upscalers(VisionSettings())),
        *people(models),
        *adjuster(),
        *backgrounds(models),
    ]
