"""Our training loop against a plain one, caching, and all that runs around a step.

`make bench-training`: CPU, the packaged small model at its own size, rank 16, one thread. Ratios of
process CPU time; the sides alternate in short rounds.
"""

import asyncio
import gc
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from goals import Goal, conclude
from plain_training import PlainTraining
from rich.console import Console
from torch import Tensor
from training_dataset import TRIGGER, without_cache, write_dataset
from training_overhead import CHECKS, run_activity

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from shared.contracts.datasets import DatasetImage, DatasetManifest
from shared.contracts.training import Hyperparameters
from shared.flux.packaged import packaged_model
from shared.flux.pipeline.prepare import picture_pixels
from shared.settings import StorageSettings, TemporalSettings
from shared.storage.s3 import S3ObjectStore
from shared.temporal.client import connect
from training_worker.dataset.cache import TensorCache
from training_worker.dataset.encoded import encode_dataset
from training_worker.dataset.files import read_picture
from training_worker.dataset.items import CachedDataset
from training_worker.loop.callbacks import Callback
from training_worker.loop.config import LoopConfig
from training_worker.loop.trainer import Trainer
from training_worker.model.base import BaseModel, open_base_model
from training_worker.model.lora_model import LoraModel

ROUNDS, ROUND_STEPS = 60, 2
BATCHES = (1, 4)
ACTIVITY_STEPS = 300
RANK, LEARNING_RATE = 16, 1e-4
_MANY_STEPS = 10**9
_MEMORY_BYTES = 2**30

console = Console()


@dataclass(frozen=True)
class Workshop:
    """The base model and the dataset that both sides train with."""

    base: BaseModel
    dataset: CachedDataset
    archive: Path

    @classmethod
    def of(cls, dataset: tuple[DatasetManifest, Path], folder: Path) -> "Workshop":
        """Encode a dataset into a cache below a folder."""
        manifest, archive = dataset
        device = torch.device("cpu")
        base = open_base_model(str(packaged_model()), device=device, dtype=torch.float32)
        cache = TensorCache(
            folder / "cache", device, memory_bytes=_MEMORY_BYTES, disk_bytes=_MEMORY_BYTES
        )
        return cls(base, encode_dataset(manifest, archive, base, cache), archive)

    def config(self, batch: int) -> LoopConfig:
        """Return our defaults, with the plain loop's optimizer and without caption dropout."""
        values = Hyperparameters(
            rank=RANK,
            learning_rate=LEARNING_RATE,
            batch_size=batch,
            steps=_MANY_STEPS,
            optimizer="adamw",
            warmup_steps=0,
            caption_dropout=0,
        )
        return LoopConfig(values, TRIGGER)

    def trainer(self, batch: int, dataset: CachedDataset | None = None) -> Trainer:
        """Return a training with a model of its own."""
        config = self.config(batch)
        base = open_base_model(
            str(packaged_model()), device=torch.device("cpu"), dtype=torch.float32
        )
        return Trainer(LoraModel(base, config.values), dataset or self.dataset, config)

    def plain(self, batch: int, *, caches: bool = True) -> PlainTraining:
        """Return the plain loop over the same pictures and captions."""
        targets = self.base.family.targets(self.base.components.transformer)
        training = PlainTraining(
            packaged_model(),
            targets,
            rank=RANK,
            learning_rate=LEARNING_RATE,
            num_steps=_MANY_STEPS,
        )
        images = [item.image for item in self.dataset.items]
        parts = [images[first : first + batch] for first in range(0, len(images), batch)]
        batches = [(self._pixels(part), [image.caption for image in part]) for part in parts]
        training.prepare(batches, caches=caches)
        return training

    def _pixels(self, images: list[DatasetImage]) -> Tensor:
        pictures = (read_picture(self.archive, image) for image in images)
        return torch.cat([picture_pixels(self.base.components, each) for each in pictures])


def rounds_of(trainer: Trainer, callbacks: Sequence[Callback] = ()) -> Callable[[], None]:
    """Return a function that trains so many further steps as a round has."""

    def train() -> None:
        values = trainer.config.values.model_copy(update={"steps": trainer.step + ROUND_STEPS})
        trainer.config = replace(trainer.config, values=values)
        trainer.fit(callbacks)

    return train


def alternate(sides: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the CPU milliseconds of a step for each side and round; the order alternates."""
    cpu_ms: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS + 1):
        for name in sides if number % 2 else reversed(sides):
            gc.collect()
            begun_s = time.process_time()
            sides[name]()
            if number:  # the first round warms up
                cpu_ms[name].append(1000 * (time.process_time() - begun_s) / ROUND_STEPS)
    for name, values in cpu_ms.items():
        console.print(
            f"  {name:<28} {statistics.median(values):6.2f} ms of CPU time a step"
            f" (best {min(values):.2f})"
        )
    return cpu_ms


def ratio(cpu_ms: Mapping[str, list[float]], one: str, other: str) -> float:
    """Return the median over the rounds of one side's time by the other's."""
    return statistics.median(a / b for a, b in zip(cpu_ms[one], cpu_ms[other], strict=True))


def compare_loops(shop: Workshop, batch: int) -> Goal:
    """Compare steps a CPU second of our loop and of the plain one."""
    ours, plain = shop.trainer(batch), shop.plain(batch)
    if batch == 1:
        check_equal_work(ours, plain)
    console.print(f"loop, batch {batch}")
    fused = shop.plain(batch)
    fused.optimizer.param_groups[0]["fused"] = True
    cpu_ms = alternate(
        {
            "ours": rounds_of(ours),
            "plain": lambda: plain.train(ROUND_STEPS),
            "plain, fused AdamW": lambda: fused.train(ROUND_STEPS),
        }
    )
    console.print(
        f"  plain, fused AdamW / ours: {ratio(cpu_ms, 'plain, fused AdamW', 'ours'):.2f} ×"
    )
    value = ratio(cpu_ms, "plain", "ours")
    return Goal(
        f"steps a CPU second, ours / plain loop, batch {batch}", value, 0.97, is_at_most=False
    )


def check_equal_work(ours: Trainer, plain: PlainTraining) -> None:
    """Check that both sides have the same loss at the same noise and as many trained numbers."""
    number = 500
    item = ours.dataset.items[0]
    noise = torch.randn(item.latents.shape, generator=torch.Generator().manual_seed(0))
    sigma = plain.scheduler.sigmas[number].item()
    timesteps = plain.scheduler.timesteps[number : number + 1]
    with torch.no_grad():
        theirs = plain.loss(
            item.latents, plain.prompts_cache[0], noise=noise, timesteps=timesteps
        ).item()
    own = ours.measure(item, sigma, noise)
    assert math.isclose(own, theirs, rel_tol=1e-4), f"different losses: {own} and {theirs}"
    sizes = [
        sum(each.numel() for each in side)
        for side in (ours.model.parameters.values(), plain.parameters)
    ]
    assert sizes[0] == sizes[1], f"different numbers of trained weights: {sizes}"


def compare_caching(shop: Workshop) -> Goal:
    """Compare our steps with the plain loop's, and our own, that encode pictures and captions."""
    parts = shop.base.components
    fresh = without_cache(shop.dataset, shop.archive, parts, shop.base.family.text_tokens(parts))
    plain = shop.plain(1, caches=False)
    console.print("caching, batch 1")
    cpu_ms = alternate(
        {
            "ours, cached": rounds_of(shop.trainer(1)),
            "ours, encoding": rounds_of(shop.trainer(1, fresh)),
            "plain, encoding": lambda: plain.train(ROUND_STEPS),
        }
    )
    own = ratio(cpu_ms, "ours, encoding", "ours, cached")
    console.print(f"  our own loop, encoding / cached: {own:.2f} ×")
    value = ratio(cpu_ms, "plain, encoding", "ours, cached")
    return Goal("cached steps / a plain loop's that encodes both", value, 1.7, is_at_most=False)


async def measure_overhead(dataset: tuple[DatasetManifest, Path], folder: Path) -> list[Goal]:
    """Train by the whole activity on servers of its own, and return the share of all but steps."""
    values = Hyperparameters(
        rank=RANK, steps=ACTIVITY_STEPS, sample_every=ACTIVITY_STEPS // 2, sample_steps=4
    )
    settings = LocalSettings(state_dir=folder / "stack")
    async with LocalStack(settings, services=()) as stack:
        os.environ.update(stack.environment)
        client = await connect(TemporalSettings(), identity="bench")
        objects = S3ObjectStore(StorageSettings())
        ledger = await run_activity(client, objects, dataset, values, folder)
        objects.close()
    console.print(f"the activity, {ACTIVITY_STEPS} steps, processor time")
    for line in ledger.lines():
        console.print(f"  {line}")
    console.print(f"  with checks of the loss and its curve: {ledger.overhead():.1%} of a step")
    return [
        Goal(
            "around a step: seeds, progress, saves, log, Temporal",
            100 * ledger.overhead(*CHECKS),
            5,
            is_at_most=True,
            unit="%",
        )
    ]


def main() -> int:
    """Run every measurement."""
    torch.set_num_threads(1)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(f"torch {torch.__version__}, 1 of {os.cpu_count()} cores, load {load}")
    with tempfile.TemporaryDirectory(prefix="sartiq-bench-") as name:
        folder = Path(name)
        dataset = write_dataset(folder)
        shop = Workshop.of(dataset, folder)
        goals = [compare_loops(shop, batch) for batch in BATCHES]
        goals.append(compare_caching(shop))
        goals += asyncio.run(measure_overhead(dataset, folder))
    return conclude(console, goals)


if __name__ == "__main__":
    sys.exit(main())
