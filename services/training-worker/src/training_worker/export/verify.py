"""The check of a written LoRA before it is registered: its numbers, and its effect on a picture."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from shared.cancellation import NEVER
from shared.contracts.enums import ErrorCategory
from shared.flux.engine import ignore_step
from shared.flux.lora.reading import Pair, Pairs
from shared.flux.pipeline.model import FluxModel
from shared.flux.pipeline.prepare import cpu_generator
from shared.flux.text_to_image import condition
from shared.lora.inspection import LoraSummary
from training_worker.export.layouts import Weights
from training_worker.export.reading_back import ExportError, check_file, read_pairs
from training_worker.loop.callbacks import Model

_NUM_STEPS = 4
_SEED = 0


def verify_lora(  # noqa: PLR0913 -- the file and what it must be
    path: Path,
    model: Model,
    weights: Weights,
    *,
    prompt: str,
    side_px: int,
    rank: int,
    dtype: torch.dtype = torch.bfloat16,
) -> LoraSummary:
    """Check a written file: admissible, equal to the training, without effect at 0, not at 1.

    Args:
        path: of the file.
        model: that was trained on.
        weights: that were written, alpha multiplied in.
        prompt: of the samples.
        side_px: width and height of the samples.
        rank: that the file must have.
        dtype: that the file was written in.

    Returns:
        Its properties, as the LoRA store records them.

    Raises:
        ExportError: the file is not usable; names the cause.
    """
    summary = check_file(path, weights, rank=rank, dtype=dtype)
    pairs = read_pairs(path)
    pipeline = FluxModel(model.components)  # encodes the prompt once
    with model.scaled(0):
        base = _sample(pipeline, prompt, side_px)
        with _applied(model, pairs, 0):
            without = _sample(pipeline, prompt, side_px)
        with _applied(model, pairs, 1):
            changed = _sample(pipeline, prompt, side_px)
    if not torch.equal(base, without):
        raise ExportError("at weight 0 the trained file changes the model's pictures")
    if not changed.isfinite().all():
        raise ExportError(
            "at weight 1 the trained file gives NaN or infinity; lower learning_rate",
            category=ErrorCategory.VALIDATION,
        )
    if torch.equal(base, changed):
        raise ExportError(
            "at weight 1 the trained file does not change the model's pictures; raise"
            " learning_rate or steps",
            category=ErrorCategory.VALIDATION,
        )
    return summary


@torch.no_grad()
def _sample(pipeline: FluxModel, prompt: str, side_px: int) -> Tensor:
    """Return the latents of a sample: unlike pixels they show small changes."""
    start = pipeline.start_from_noise((side_px, side_px), _NUM_STEPS, cpu_generator(_SEED))
    conditioning = condition(pipeline, prompt)
    return pipeline.denoise(start, conditioning, on_step=ignore_step, cancel=NEVER)


@contextmanager
def _applied(model: Model, pairs: Pairs, weight: float) -> Generator[None]:
    """Add the pairs of a file to the layers of the transformer while the block runs."""
    transformer = cast("nn.Module", model.components.transformer)
    handles: list[Any] = []
    try:
        for name, pair in pairs.items():
            layer = transformer.get_submodule(name)
            handles.append(layer.register_forward_hook(_adding(pair, weight, model)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adding(pair: Pair, weight: float, model: Model) -> Any:
    down, up = pair.down.to(model.device, torch.float32), pair.up.to(model.device, torch.float32)

    def add(_layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        change = args[0].float() @ down.T @ up.T
        return (output.float() + weight * change).to(output.dtype)

    return add
