"""Speed and memory of LoRA training on a GPU, with random weights of FLUX.1-dev's architecture.

`make bench-gpu-training`: rank 16, batch 1, bfloat16, latents and text cached, our loop without
callbacks. Nothing is downloaded. Goals are for an H200. `--tiny` runs on any machine, to test the
benchmark itself, and judges nothing.
"""

import argparse
import gc
import importlib.util
import sys
import time
from dataclasses import dataclass
from typing import Any

import checkout  # noqa: F401 -- makes our packages importable
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from flux_models import FULL, TINY, Scale, random_model
from torch import Tensor

from shared.contracts.datasets import DatasetImage
from shared.contracts.training import Hyperparameters
from shared.flux.pipeline.conditioning import PromptEmbeddings, text_ids
from training_worker.dataset.items import CachedDataset
from training_worker.loop.callbacks import Callback
from training_worker.loop.config import LoopConfig
from training_worker.loop.trainer import Trainer
from training_worker.model.families import FLUX_TRAINING
from training_worker.model.lora_model import LoraModel

RANK, NUM_ITEMS = 16, 4
WARM_UP, STEPS = 4, 20
_PX_PER_LATENT, _LATENT_CHANNELS = 8, 16
_GIB = 2**30


@dataclass(frozen=True)
class Case:
    """One configuration and its goals.

    Attributes:
        share: side of the pictures, by that of the scale.
        least_per_s: goal of steps a second; None: there is none.
        uses_checkpointing: activations are recomputed.
        most_gib: goal of the device's memory; None: there is none.
    """

    share: float
    least_per_s: float | None = None
    uses_checkpointing: bool = False
    most_gib: float | None = None


CASES = (
    Case(1, least_per_s=1.2, most_gib=40, uses_checkpointing=True),
    Case(1, least_per_s=1.6),
    Case(0.5, uses_checkpointing=True),
    Case(0.5, least_per_s=3.5),
)


@dataclass(frozen=True)
class RandomItem:
    """Implements `Item`: random latents and embeddings."""

    image: DatasetImage
    latents: Tensor
    prompt: PromptEmbeddings


class RandomBase:
    """Implements what `LoraModel` takes of a `BaseModel`, with random weights on the device."""

    name, digest, family = "FLUX.1-dev, random weights", "", FLUX_TRAINING

    def __init__(self, scale: Scale, device: torch.device, dtype: torch.dtype) -> None:
        model = random_model(FluxTransformer2DModel, scale.transformer, device, dtype)
        self._transformer = model.requires_grad_(requires_grad=False)
        self.device, self.dtype = device, dtype
        self.has_guidance_embeds = scale.transformer["guidance_embeds"]
        self.components = self.parts = self.cache = self

    def pin(self, _name: str) -> Any:
        return self._transformer

    def clear(self) -> None:
        """Evict nothing: encoders and VAE are not built."""

    def new_scheduler(self) -> Any:
        return FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)


class Clock(Callback):
    """Seconds of the steps after the warm-up."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun_s = 0.0
        self.seconds = 0.0

    def on_step(self, trainer: Any, result: Any) -> None:
        if result.step in {WARM_UP, WARM_UP + STEPS}:
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            self.seconds = time.perf_counter() - self._begun_s
            self._begun_s = time.perf_counter()


@dataclass(frozen=True)
class Figures:
    """The result of one case; memory is None without a GPU."""

    per_s: float
    allocated_gib: float | None
    reserved_gib: float | None
    optimizer: str


def random_dataset(scale: Scale, side_px: int, base: RandomBase) -> CachedDataset:
    """Return items whose encodings are random, of the sizes of real ones."""
    generator = torch.Generator("cpu").manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(base.device, base.dtype)

    def prompt() -> PromptEmbeddings:
        embeds = noise(1, scale.num_text_tokens, scale.transformer["joint_attention_dim"])
        pooled = noise(1, scale.transformer["pooled_projection_dim"])
        return PromptEmbeddings(embeds, pooled, text_ids(embeds))

    def item(number: int) -> RandomItem:
        image = DatasetImage(
            index=number,
            name=f"{number:04d}.png",
            source="",
            sha256="",
            width=side_px,
            height=side_px,
            bucket=(side_px, side_px),
            caption="",
        )
        latents = side_px // _PX_PER_LATENT
        return RandomItem(image, noise(1, _LATENT_CHANNELS, latents, latents), prompt())

    return CachedDataset([item(number) for number in range(NUM_ITEMS)], [], prompt(), "")


def measure(scale: Scale, case: Case, device: torch.device) -> Figures:
    """Train a model of its own for some steps."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    has_8bit = importlib.util.find_spec("bitsandbytes") is not None
    values = Hyperparameters(
        rank=RANK,
        steps=WARM_UP + STEPS,
        warmup_steps=0,
        gradient_checkpointing=case.uses_checkpointing,
        optimizer="adamw8bit" if has_8bit else "adamw",
    )
    base: Any = RandomBase(scale, device, dtype)
    dataset = random_dataset(scale, int(scale.side_px * case.share), base)
    trainer = Trainer(LoraModel(base, values), dataset, LoopConfig(values, "zqx"))
    clock = Clock(device)
    trainer.fit([clock])
    allocated = reserved = None
    if device.type == "cuda":
        allocated = torch.cuda.max_memory_allocated(device) / _GIB
        reserved = torch.cuda.max_memory_reserved(device) / _GIB
    return Figures(STEPS / clock.seconds, allocated, reserved, trainer.optimizer_used)


def describe(scale: Scale, case: Case, found: Figures) -> tuple[str, bool]:
    """Return a line of goals and values, and whether a goal is missed."""
    side_px = int(scale.side_px * case.share)
    checkpointing = "checkpointing" if case.uses_checkpointing else "no checkpointing"
    speed_goal = "" if case.least_per_s is None else f" (at least {case.least_per_s:g})"
    memory = "memory not measured"
    if found.reserved_gib is not None:
        memory = f"{found.reserved_gib:.1f} GiB reserved, {found.allocated_gib:.1f} allocated"
    memory_goal = "" if case.most_gib is None else f" (at most {case.most_gib:g} GiB)"
    is_slow = case.least_per_s is not None and found.per_s < case.least_per_s
    is_large = case.most_gib is not None and (found.reserved_gib or 0) > case.most_gib
    name = f"{side_px}², {checkpointing}, {found.optimizer}"
    line = f"{name:<40} {found.per_s:6.2f} steps/s{speed_goal}; {memory}{memory_goal}"
    return line, is_slow or is_large


def main() -> int:
    """Run every case; return 1 on a miss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small shapes, on any machine")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type != "cuda" and not options.tiny:
        sys.stderr.write("no CUDA device; use --tiny to test the benchmark itself\n")
        return 2
    if device.type == "cpu":
        torch.set_num_threads(1)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    sys.stdout.write(f"{time.strftime('%Y-%m-%d')} {where}, torch {torch.__version__}\n")
    scale = TINY if options.tiny else FULL
    misses = 0
    for case in CASES:
        line, is_missed = describe(scale, case, measure(scale, case, device))
        verdict = "" if options.tiny else ": MISSED" if is_missed else ": met"
        sys.stdout.write(f"{line}{verdict}\n")
        misses += is_missed
    if options.tiny:
        sys.stdout.write("not judged: goals are for the full size on an H200\n")
        return 0
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
