"""Our engine against diffusers' own pipeline call, and the worker's overhead: `make bench-engine`.

CPU, the packaged small model, 64 × 64 pixels, 8 steps. Both sides alternate; each encodes a prompt
that is not cached, with the same seed and threads.
"""

import asyncio
import gc
import io
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxPipeline
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from goals import Goal, conclude
from PIL import Image, ImageChops
from rich.console import Console
from safetensors.torch import save_file
from temporalio.testing import ActivityEnvironment
from torch import nn

from inference_worker.activities.inference import LocalInference
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.loading import load_engine, packaged_model
from inference_worker.io.picture_files import PictureFiles
from inference_worker.lora.files import LoraFiles
from inference_worker.settings import InferenceSettings
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from shared.contracts.generation import GenerateImage, GenerationConfig, GenerationInputs
from shared.errors import PlatformError
from shared.flux.engine import ImageEngine, LoraUse
from shared.progress import ExecutorIdentity, ProgressReporter
from shared.settings import ModelSettings, ProgressSettings, StorageSettings
from shared.storage.s3 import S3ObjectStore

SIDE_PX, STEPS, THREADS = 64, 8, 1
ROUNDS, ROUND_PICTURES = 30, 6
REQUESTS, SWITCHES = 40, 40
WARM_UP = 5
RANK = 16

console = Console()
_prompts = (
    f"a {colour} dress, number {i}" for i in itertools.count() for colour in ("red", "blue")
)


@dataclass
class FirstStep:
    """The moment of the transformer's first call since the hook was armed."""

    at_s: float | None = None

    def arm(self) -> None:
        self.at_s = None

    def __call__(self, module: nn.Module, _args: object) -> None:
        if self.at_s is None and isinstance(module, FluxTransformer2DModel):
            self.at_s = time.perf_counter()


@contextmanager
def first_steps() -> Iterator[FirstStep]:
    """Record the first call of the engine's transformer."""
    seen = FirstStep()
    handle = nn.modules.module.register_module_forward_pre_hook(seen)
    try:
        yield seen
    finally:
        handle.remove()


def inputs(seed: int, prompt: str = "", **changes: Any) -> GenerationInputs:
    """Return a generation's inputs with the size and the steps of this benchmark."""
    return GenerationInputs(
        prompt=prompt or next(_prompts),
        width=SIDE_PX,
        height=SIDE_PX,
        seed=seed,
        config=GenerationConfig(num_inference_steps=STEPS, guidance_scale=3.5),
        **changes,
    )


def generate(engine: ImageEngine, request: GenerationInputs, *loras: LoraUse) -> Image.Image:
    """Generate one picture with our engine."""
    cancel = threading.Event()
    return engine.generate(request, None, loras, on_step=lambda *_: None, cancel=cancel)[0]


def compare_pictures(engine: ImageEngine) -> Goal:
    """Compare pictures a second of ours and theirs; the order alternates between rounds."""
    pipeline: Any = FluxPipeline.from_pretrained(packaged_model(), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def theirs(request: GenerationInputs) -> Image.Image:
        return pipeline(
            prompt=request.prompt,
            width=SIDE_PX,
            height=SIDE_PX,
            num_inference_steps=STEPS,
            guidance_scale=3.5,
            max_sequence_length=pipeline.tokenizer_2.model_max_length,
            generator=torch.Generator().manual_seed(request.seed),
        ).images[0]

    probe = inputs(1)
    same = ImageChops.difference(generate(engine, probe), theirs(probe)).getbbox() is None
    assert same, "the two sides make different pictures: nothing to compare"
    sides: dict[str, Callable[[GenerationInputs], Image.Image]] = {
        "ours": lambda request: generate(engine, request),
        "theirs": theirs,
    }
    times_s: dict[str, list[float]] = {name: [] for name in sides}
    cpu_s: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS + 1):
        order = list(sides) if number % 2 else list(reversed(sides))
        for name in order:
            gc.collect()
            begun_s, cpu_begun_s = time.perf_counter(), time.process_time()
            for seed in range(ROUND_PICTURES):
                sides[name](inputs(seed))
            if number:  # the first round warms up
                times_s[name].append((time.perf_counter() - begun_s) / ROUND_PICTURES)
                cpu_s[name].append((time.process_time() - cpu_begun_s) / ROUND_PICTURES)
    for name, values in times_s.items():
        console.print(
            f"{name:<6} {1 / statistics.median(values):6.2f} pictures/s"
            f" (p50 {1000 * statistics.median(values):.1f} ms, best {1000 * min(values):.1f} ms);"
            f" CPU time p50 {1000 * statistics.median(cpu_s[name]):.1f} ms"
        )
    ratio = statistics.median(
        other / own for own, other in zip(times_s["ours"], times_s["theirs"], strict=True)
    )
    return Goal("pictures/s, ours / diffusers' pipeline call", ratio, 1.0, is_at_most=False)


async def time_overhead(engine: ImageEngine, objects: S3ObjectStore) -> Goal:
    """Measure from the activity's call to the first call of the transformer.

    Encoding the prompt, and fetching and encoding the reference picture from S3, are included.
    """
    reference = io.BytesIO()
    Image.effect_noise((256, 256), 60).convert("RGB").save(reference, "PNG")
    key = "uploads/bench.png"
    await objects.put(key, reference.getvalue(), "image/png")
    executant = ExecutorIdentity("inference-worker@bench:1", "local")
    samples_ms: dict[str, list[float]] = {"text alone": [], "with a reference": []}
    models = VisionModels(VisionSettings())
    with (
        ThreadPoolExecutor(1) as engine_thread,
        ThreadPoolExecutor(2) as cpu,
        tempfile.TemporaryDirectory() as folder,
        closing(LoraFiles(objects, Path(folder), 2**20)) as loras,
    ):
        worker = LocalInference(
            engine=EngineThread(engine, engine_thread),
            files=PictureFiles(objects, CpuThreads(cpu), max_pixels=10**8),
            progress=ProgressReporter(
                ProgressSettings(url=""), executor_instance="bench", executor_type="local"
            ),
            executant=executant,
            loras=loras,
            check=OutputCheck(VisionSettings(), models),
        )
        with first_steps() as first:
            for number in range(REQUESTS + WARM_UP):
                for name, url in (("text alone", None), ("with a reference", key)):
                    request = GenerateImage(
                        task_id=uuid.uuid4(),
                        attempt=1,
                        inputs=inputs(number, reference_image_url=url),
                    )
                    first.arm()
                    begun_s = time.perf_counter()
                    await ActivityEnvironment().run(worker.generate_image, request)
                    assert first.at_s is not None
                    if number >= WARM_UP:
                        samples_ms[name].append(1000 * (first.at_s - begun_s))
    for name, values in samples_ms.items():
        p95 = statistics.quantiles(values, n=20, method="inclusive")[18]
        console.print(
            f"received → first denoise step, {name}: p50 {statistics.median(values):.1f} ms,"
            f" p95 {p95:.1f} ms"
        )
    slower = max(statistics.median(values) for values in samples_ms.values())
    return Goal("received → first denoise step, p50", slower, 50, is_at_most=True, unit="ms")


def time_switches(engine: ImageEngine, folder: Path) -> Goal:
    """Measure the time to the first step with another LoRA, against the same LoRA again."""
    name = "LoRA switch, both loaded, p50"
    loras = [_lora(folder, seed) for seed in (1, 2)]
    samples_ms: dict[str, list[float]] = {"same": [], "other": []}
    with first_steps() as first:

        def to_first_step(lora: LoraUse) -> float:
            request = inputs(1, "a red dress")
            first.arm()
            begun_s = time.perf_counter()
            generate(engine, request, lora)
            assert first.at_s is not None
            return 1000 * (first.at_s - begun_s)

        try:
            for number in range(SWITCHES + WARM_UP):
                other = to_first_step(loras[number % 2])
                same = to_first_step(loras[number % 2])
                if number >= WARM_UP:
                    samples_ms["other"].append(other)
                    samples_ms["same"].append(same)
        except PlatformError as error:
            console.print(f"LoRA switch: not measured: {error}")
            return Goal(name, float("inf"), 20, is_at_most=True, unit="ms")
    medians = {name: statistics.median(values) for name, values in samples_ms.items()}
    console.print(
        f"generate → first step: same LoRA {medians['same']:.1f} ms,"
        f" other {medians['other']:.1f} ms"
    )
    switch_ms = max(0.0, medians["other"] - medians["same"])
    return Goal(name, switch_ms, 20, is_at_most=True, unit="ms")


def _lora(folder: Path, seed: int) -> LoraUse:
    """Return random LoRA weights for every attention of the small model, by diffusers' names."""
    transformer = FluxTransformer2DModel.from_pretrained(packaged_model() / "transformer")
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in transformer.named_modules():
        if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in {"to_q", "to_k", "to_v"}:
            for half, shape in (
                ("lora_A", (RANK, layer.in_features)),
                ("lora_B", (layer.out_features, RANK)),
            ):
                tensors[f"transformer.{name}.{half}.weight"] = 0.02 * torch.randn(
                    shape, generator=generator
                )
    path = folder / f"lora_{seed}.safetensors"
    save_file(tensors, path)
    digest = sha256(path.read_bytes()).hexdigest()
    return LoraUse(field="style_model_path", sha256=digest, path=path, weight=0.8)


async def main() -> int:
    """Run every measurement on its own object store."""
    torch.set_num_threads(THREADS)
    console.print(f"torch {torch.__version__}, {THREADS} of {os.cpu_count()} cores")
    settings = InferenceSettings.model_validate({"device": "cpu", "torch_threads": THREADS})
    model = ModelSettings(
        source=str(packaged_model()), native_px=SIDE_PX, max_px=SIDE_PX, default_steps=STEPS
    )
    engine = load_engine(settings, model)
    for _ in range(WARM_UP):
        generate(engine, inputs(0))
    goals = [compare_pictures(engine)]
    with tempfile.TemporaryDirectory(prefix="sartiq-bench-") as folder:
        stack_settings = LocalSettings(state_dir=Path(folder))
        async with LocalStack(stack_settings, services=()) as stack:
            os.environ.update(stack.environment)
            objects = S3ObjectStore(StorageSettings())
            goals.append(await time_overhead(engine, objects))
            objects.close()
        goals.append(time_switches(engine, Path(folder)))
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
