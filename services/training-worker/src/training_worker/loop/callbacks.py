"""The protocol between the loop and its side concerns: saves, samples, figures, progress."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from shared.flux.pipeline.components import FluxComponents
from training_worker.dataset.items import CachedDataset, Item
from training_worker.loop.config import LoopConfig


@dataclass(frozen=True)
class StepResult:
    """The figures of one step.

    Attributes:
        step: number of finished steps, from 1.
        loss: mean over the step's items.
        grad_norm: before clipping.
        learning_rate: of this step.
        seconds: wall time of the step alone.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    seconds: float


class Model(Protocol):
    """The base model with the adapter that is trained on it."""

    name: str
    """The base model's name; never a path."""
    digest: str
    """Digest of the base model's weights."""
    components: FluxComponents
    """The model as the pipeline's blocks take it; the adapter is active in its transformer."""
    device: torch.device
    dtype: torch.dtype

    @property
    def targets(self) -> Sequence[str]:
        """Names of the trained layers, such as `transformer_blocks.0.attn.to_q`."""
        ...

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The trained tensors, float32: `<target>.lora_A.weight`, `<target>.lora_B.weight`."""
        ...

    def scaled(self, weight: float) -> AbstractContextManager[None]:
        """Apply the adapter at a weight, such as 0, while the block runs."""
        ...


class Trainer(Protocol):
    """A running training as its callbacks see it."""

    config: LoopConfig
    model: Model
    dataset: CachedDataset
    step: int
    """Number of finished steps."""
    optimizer_used: str
    saved_step: int | None
    """Step of the newest stored resume state; None: there is none."""

    def averaged(self) -> AbstractContextManager[None]:
        """Put the averaged weights into the model while the block runs."""
        ...

    def averaged_weights(self) -> Mapping[str, Tensor]:
        """Return the averaged weights, named as in `Model.parameters`; without average the raw."""
        ...

    def measure(self, item: Item, sigma: float, noise: Tensor) -> float:
        """Return an item's loss at one noise level and noise, [1, C, h, w], without gradients."""
        ...


class Callback:
    """A side concern of a run. It must not change weights nor consume shared randomness."""

    state_key: str = ""
    """Name of its state in resume states; empty: it has none."""

    def on_begin(self, trainer: Trainer) -> None:
        """Run before the first step of this attempt."""

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        """Run after each step."""

    def on_end(self, trainer: Trainer) -> None:
        """Run after the last step of the whole training."""

    def on_stop(self, trainer: Trainer, error: BaseException) -> None:
        """Run when the training stops before its end.

        Args:
            trainer: the weights are those of its last whole step.
            error: `Cancelled` after a request to stop; otherwise the failure.
        """

    def state(self) -> Any:
        """Return what a resumed attempt needs to go on, as JSON values."""

    def restore(self, state: Any) -> None:
        """Take over the state of an earlier attempt, before `on_begin`."""
