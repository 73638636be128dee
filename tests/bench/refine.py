"""A whole REFINE against its tile edits, its memory, and work on pictures: `make bench-refine`.

CPU, the packaged small model on one thread, so that the second core runs the checks. A REFINE is
the whole activity: decode, upscale, edit nine tiles, check them by SSIM and LPIPS and store them,
blend, encode, store in memory. The picture's size relative to this model, which edits at 64 pixels,
is that of 8192 pixels relative to FLUX at 1024. Memory is measured in a process of its own and
includes interpreter, torch, models and pictures. The checks run beside the edits: their cost is
judged both as CPU time and as wall-clock time, by the same REFINE without them. Exits 1 where a
goal is missed.
"""

import asyncio
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

# First, since it sets the number of threads of numeric libraries.
from tests.bench import pictures

# isort: split
from PIL import Image
from rich.console import Console
from skimage.data import astronaut
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.refinement import PictureRefiner
from inference_worker.checks.metric import ConsistencyMetric, Pixels
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.loading import load_engine
from inference_worker.io.picture_files import PictureFiles
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.contracts.refinement import RefineImage, RefineInputs, TiledRefinerConfig
from shared.flux.kinds import DeviceKind
from shared.pixels.images import encode_png
from shared.progress import ExecutorIdentity, ProgressReporter
from shared.settings import ModelSettings, ProgressSettings
from tests.bench.goals import Goal, conclude
from tests.fakes.object_store import MemoryObjectStore

ROUNDS = 5
FACTOR = 2.0
SMALL_PX = 256
LARGE = (2000, 3000)
BASE = "uploads/base.png"
CONFIG = TiledRefinerConfig(num_tiles=9, lpips_threshold=0.9, max_retries=0)
UNCHECKED = CONFIG.model_copy(update={"ssim_threshold": 0, "lpips_threshold": 0})
MEMORY_ALONE = "--memory"


@dataclass
class Stopwatch:
    """The sums of wall-clock time and thread CPU time of calls of one kind."""

    total_s: float = 0
    cpu_s: float = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        begun_s, begun_cpu_s = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.total_s += time.perf_counter() - begun_s
            self.cpu_s += time.thread_time() - begun_cpu_s


class TimedEngine:
    """An engine whose edits are timed; other attributes are delegated."""

    def __init__(self, engine: Any, watch: Stopwatch) -> None:
        self._engine = engine
        self._watch = watch

    def edit(self, *args: Any, **options: Any) -> list[Image.Image]:
        with self._watch.running():
            return self._engine.edit(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class TimedMetric:
    """A metric whose scores are timed; other attributes are delegated."""

    def __init__(self, metric: ConsistencyMetric, watch: Stopwatch) -> None:
        self._metric = metric
        self._watch = watch

    def scores(self, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> list[float]:
        with self._watch.running():
            return self._metric.scores(sources, edits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._metric, name)


class TimedMetrics(Metrics):
    """Metrics whose scores are timed."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__(None, DeviceKind.CPU)
        self._watch = watch

    def chosen(self, config: Any, *, side_px: int) -> Any:
        return [TimedMetric(one, self._watch) for one in super().chosen(config, side_px=side_px)]


@dataclass(frozen=True)
class Bench:
    """The worker, and the stopwatches of its parts."""

    worker: PictureRefiner
    edits: Stopwatch
    checks: Stopwatch

    def refine(self, config: TiledRefinerConfig = CONFIG) -> tuple[float, int]:
        """Run one whole REFINE and return its seconds and its number of tiles."""
        request = RefineImage(
            task_id=uuid.uuid4(),
            attempt=1,
            inputs=RefineInputs(base_image_url=BASE, upscale_factor=FACTOR),
            refiner=config,
        )
        self.edits.total_s = self.checks.total_s = self.checks.cpu_s = 0
        begun_s = time.perf_counter()
        result = asyncio.run(ActivityEnvironment().run(self.worker.refine_image, request))
        taken_s = time.perf_counter() - begun_s
        return taken_s, len(result.tiles)


@contextmanager
def bench(base: Image.Image) -> Iterator[Bench]:
    """Build a worker over the packaged model, with one picture in its store."""
    settings = InferenceSettings(torch_threads=1, device=DeviceKind.CPU)
    edits, checks = Stopwatch(), Stopwatch()
    engine: Any = TimedEngine(load_engine(settings, ModelSettings()), edits)
    objects, models = MemoryObjectStore(), VisionModels(VisionSettings())
    asyncio.run(objects.put(BASE, encode_png(base), "image/png"))
    with (
        ThreadPoolExecutor(1) as engine_thread,
        ThreadPoolExecutor(settings.cpu_threads) as cpu,
    ):
        worker = PictureRefiner(
            engine=EngineThread(engine, engine_thread),
            files=PictureFiles(objects, CpuThreads(cpu), max_pixels=10**8),
            progress=ProgressReporter(
                ProgressSettings(url=""), executor_instance="bench", executor_type="local"
            ),
            executant=ExecutorIdentity("inference-worker@bench:1", "local"),
            settings=settings,
            people=models,
            metrics=TimedMetrics(checks),
            check=OutputCheck(VisionSettings(), models),
            upscalers=Upscalers(VisionSettings()),
        )
        yield Bench(worker, edits, checks)


@dataclass(frozen=True)
class Shares:
    """Medians over some runs, each relative to its own run.

    Attributes:
        whole_s: seconds of a REFINE with its checks.
        over_edits: those seconds over the sum of its edits.
        checks_of_cpu: share of the checks in the CPU time, 0 to 1.
        checks_of_clock: share by which the same REFINE without checks is faster, 0 to 1.
    """

    whole_s: float
    over_edits: float
    checks_of_cpu: float
    checks_of_clock: float


def measure_shares(side_px: int) -> Shares:
    """Refine a square picture of a side to twice that side."""
    base = Image.fromarray(astronaut()).resize((side_px, side_px), Image.Resampling.LANCZOS)
    rows: list[tuple[float, ...]] = []
    with bench(base) as run:
        run.refine()  # loads the models
        for _ in range(ROUNDS):
            unchecked_s, _ = run.refine(UNCHECKED)
            begun_cpu_s = time.process_time()
            whole_s, num_tiles = run.refine()
            whole_cpu_s = time.process_time() - begun_cpu_s
            assert num_tiles == 9
            rows.append(
                (
                    whole_s,
                    whole_s / run.edits.total_s,
                    run.checks.cpu_s / whole_cpu_s,
                    1 - unchecked_s / whole_s,
                )
            )
    return Shares(*map(statistics.median, zip(*rows, strict=True)))


def time_refine(console: Console) -> list[Goal]:
    """Judge the smaller picture, and print the larger one for comparison."""
    judged = measure_shares(SMALL_PX)
    for side_px, shares in ((SMALL_PX, judged), (2 * SMALL_PX, measure_shares(2 * SMALL_PX))):
        console.print(
            f"REFINE v2 to {2 * side_px}²: {shares.whole_s:.2f} s, {shares.over_edits:.2f} × its"
            f" edits; checks take {shares.checks_of_cpu:.0%} of CPU time and"
            f" {shares.checks_of_clock:.0%} of wall-clock time"
        )
    return [
        Goal(
            "REFINE v2, 9 tiles, whole / sum of its edits",
            judged.over_edits,
            1.15,
            is_at_most=True,
        ),
        *(
            Goal(f"SSIM + LPIPS, share of {kind}", 100 * share, 25, is_at_most=True, unit="%")
            for kind, share in (
                ("CPU time", judged.checks_of_cpu),
                ("wall-clock time", judged.checks_of_clock),
            )
        ),
    ]


def refine_large() -> float:
    """Return the peak memory of this process after one REFINE to 24 megapixels, in MiB."""
    whole = Image.fromarray(astronaut()).resize(LARGE, Image.Resampling.BICUBIC)
    with bench(whole) as run:
        run.refine()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def measure_memory() -> Goal:
    """Measure the peak memory in a process of its own."""
    command = [sys.executable, __file__, MEMORY_ALONE]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    gib = float(answer.stdout.splitlines()[-1]) / 1024
    name = "REFINE to 24 MP, peak memory of the whole process"
    return Goal(name, gib, 2.5, is_at_most=True, unit="GiB")


def main() -> int:
    """Measure, print, and return the exit status."""
    console = Console()
    goals = [*time_refine(console), measure_memory(), *pictures.measure(console)]
    return conclude(console, goals)


if __name__ == "__main__":
    if sys.argv[1:] == [MEMORY_ALONE]:
        sys.stdout.write(f"\n{refine_large()}")
        sys.exit()
    sys.exit(main())
