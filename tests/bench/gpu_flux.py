"""Speed of each profile on a GPU, with random weights of FLUX.1-dev's architecture.

`make bench-gpu`, or `python tests/bench/gpu_flux.py` where torch and diffusers are installed:
nothing is downloaded, and nothing else of ours need be installed. The worker's own
`inference_worker.profiles`, from this checkout, prepare the transformer. 1024 × 1024 pixels, 28
steps, decoding included; text embeddings are random. Goals are for an H200. `--tiny` runs on any
machine, to test the benchmark itself, and judges nothing.
"""

import argparse
import importlib.metadata
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import checkout  # noqa: F401 -- makes our packages importable
import torch
from flux_models import FULL, TINY, Bench
from torch import Tensor
from torch._dynamo.utils import counters

from inference_worker.calibrate import lpips_distance
from inference_worker.profiles.transformer import set_cache_threshold
from inference_worker.settings import ProfileKind

RANK, NUM_LORAS, NUM_SWAPS, BATCH = 16, 4, 100, 4
CACHE_THRESHOLDS = (0.04, 0.08, 0.12, 0.16, 0.2, 0.3, 0.5)
LPIPS_BUDGET = 0.1


@dataclass(frozen=True)
class Row:
    """One figure. Without a bound it is not judged; without a value it was not measured."""

    name: str
    value: float | None
    unit: str
    bound: float | None = None
    note: str = ""

    @property
    def is_missed(self) -> bool:
        """True where there is a goal and it is not known to be met."""
        return self.bound is not None and (self.value is None or self.value > self.bound)

    def cells(self, *, is_judged: bool) -> tuple[str, str, str, str]:
        """Return name, goal, value and verdict."""
        goal = "–" if self.bound is None else f"at most {self.bound:g} {self.unit}"
        value = "not measured" if self.value is None else f"{self.value:.4g} {self.unit}"
        verdict = "MISSED" if self.is_missed else "–" if self.bound is None else "met"
        note = f" ({self.note})" if self.note else ""
        return self.name, goal, value + note, verdict if is_judged else "–"


def measure_profiles(bench: Bench) -> list[Row]:
    """Time one picture with plain diffusers and each profile, and four with the fastest."""
    rows = [Row("plain diffusers", bench.seconds(bench.pipeline(None)), "s")]
    bounds = {ProfileKind.BALANCED: 4.0, ProfileKind.FAST: 2.9}
    for kind in ProfileKind:
        plan = bench.plan(kind)
        pipeline = bench.pipeline(plan)
        note = plan.pixel_traits
        rows.append(Row(kind.value, bench.seconds(pipeline), "s", bounds.get(kind), note))
        if kind is ProfileKind.FAST:
            rows += measure_cache(bench, pipeline)
            set_cache_threshold(pipeline.transformer, 0)
            four_s = bench.seconds(pipeline, batch=BATCH)
            rows.append(Row(f"fast, batch {BATCH}, a picture", four_s / BATCH, "s"))
    return rows


def measure_cache(bench: Bench, pipeline: Any) -> list[Row]:
    """Time the first-block cache at the largest threshold within the LPIPS budget.

    The baseline is the same pipeline without it. Random weights generate noise, whose LPIPS says
    nothing about real pictures: `python -m inference_worker.calibrate` measures those.
    """
    distance, reason = _distance(bench.device)
    seeds = range(2)
    plain = [bench.run(pipeline, seed=seed)[0] for seed in seeds]
    best: tuple[float, float, float] | None = None
    for threshold in CACHE_THRESHOLDS:
        set_cache_threshold(pipeline.transformer, threshold)
        if distance is not None:
            cached = [bench.run(pipeline, seed=seed)[0] for seed in seeds]
            worst = max(distance(one, other) for one, other in zip(plain, cached, strict=True))
            if worst > LPIPS_BUDGET:
                break
            best = (threshold, bench.seconds(pipeline), worst)
    if best is None:
        return [Row("fast, cached", None, "s", 2.2, reason or "no threshold within the budget")]
    threshold, cached_s, worst = best
    note = f"threshold {threshold:g}; random weights"
    return [
        Row("fast, cached", cached_s, "s", 2.2, note),
        Row("LPIPS of it, worst", worst, "", LPIPS_BUDGET, note),
    ]


def _distance(device: torch.device) -> tuple[Any, str]:
    try:
        return lpips_distance(device), ""
    except FileNotFoundError as error:
        return None, str(error)


def measure_loras(bench: Bench) -> list[Row]:
    """Time the fast profile with four LoRAs in slots, and one hundred swaps of all four."""
    names = ("fast, four LoRAs in slots", "swap of four LoRAs", "recompiles over the swaps")
    bounds = (3.5, 150.0, 0.0)
    units = ("s", "ms", "")
    try:
        from inference_worker.lora.mixing import SlotMixer, SlotPlan
        from shared.flux.lora.reading import Pair
        from shared.flux.lora.targets import find_targets, linear_layers
    except ImportError as error:
        return [
            Row(*row[:2], row[2], row[3], f"not importable: {error.name}")
            for row in zip(names, (None,) * 3, units, bounds, strict=True)
        ]
    mixers: list[Any] = []

    def add_slots(transformer: Any) -> None:
        layers = linear_layers(transformer)
        slots = SlotPlan(num_slots=NUM_LORAS, target_rank=RANK, layers=r".*attn\.\w+")
        mixers.append(SlotMixer(layers, slots, find_targets(layers), bench.dtype))

    pipeline = bench.pipeline(bench.plan(ProfileKind.FAST), add_slots)
    (mixer,) = mixers
    layers = linear_layers(pipeline.transformer)

    def lora(seed: int) -> Any:
        generator = torch.Generator(bench.device).manual_seed(seed)

        def noise(*shape: int) -> Tensor:
            drawn = torch.randn(shape, generator=generator, device=bench.device)
            return (0.01 * drawn).to(bench.dtype)

        return {
            name: Pair(noise(RANK, layer.in_features), noise(layer.out_features, RANK))
            for name, layer in layers.items()
            if hasattr(layer, "lora_down")
        }

    sets = [[(lora(4 * index + n), 0.8) for n in range(NUM_LORAS)] for index in range(2)]
    with torch.inference_mode(mode=False), torch.no_grad():
        mixer.mix(sets[0])
    picture_s = bench.seconds(pipeline)
    compiled = counters["stats"]["unique_graphs"]
    samples: list[float] = []
    for number in range(NUM_SWAPS):
        _synchronize(bench.device)
        begun_s = time.perf_counter()
        with torch.inference_mode(mode=False), torch.no_grad():
            mixer.mix(sets[(number + 1) % 2])
        _synchronize(bench.device)
        samples.append(1000 * (time.perf_counter() - begun_s))
        if number % 10 == 0:
            bench.run(pipeline)
    bench.run(pipeline)
    recompiles = counters["stats"]["unique_graphs"] - compiled
    values = (picture_s, statistics.median(samples), float(recompiles))
    return [Row(*row) for row in zip(names, values, units, bounds, strict=True)]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe(device: torch.device) -> str:
    """Return the hardware and the versions of the libraries."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    found = [f"{where}, python {sys.version.split()[0]}, cuda {torch.version.cuda}"]
    for package in ("torch", "diffusers", "triton", "torchao", "flash_attn", "flash_attn_3"):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


def report(rows: list[Row], *, is_judged: bool) -> int:
    """Print goals, values and verdicts, and return the exit status."""
    table = [("figure", "goal", "value", "verdict")]
    table += [row.cells(is_judged=is_judged) for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    if not is_judged:
        sys.stdout.write("not judged: goals are for the full size on an H200\n")
        return 0
    return 1 if any(row.is_missed for row in rows) else 0


def main() -> int:
    """Run every measurement; return 1 on a miss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small shapes, on any machine")
    parser.add_argument("--backend", default="inductor", help="backend of torch.compile")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type != "cuda" and not options.tiny:
        sys.stderr.write("no CUDA device; use --tiny to test the benchmark itself\n")
        return 2
    sys.stdout.write(f"{time.strftime('%Y-%m-%d')} {describe(device)}\n")
    bench = Bench(TINY if options.tiny else FULL, device, options.backend)
    rows = [*measure_profiles(bench), *measure_loras(bench)]
    return report(rows, is_judged=not options.tiny)


if __name__ == "__main__":
    sys.exit(main())
