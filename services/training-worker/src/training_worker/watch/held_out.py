"""The loss at fixed noise levels and fixed noise, which falls smoothly where step losses scatter.

It is measured on the pictures that are held out. Without such pictures it is measured on trained
ones: a run that diverges or does not learn shows there too, but overfitting does not.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from training_worker.dataset.items import Item
from training_worker.loop.cadence import is_check_step
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.watch.alarms import Alarms
from training_worker.watch.log import TrainingLog
from training_worker.watch.verdicts import SUBJECTS, Check, verdicts

_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
_MAX_ITEMS = 8
"""Items that are measured: with five levels each, 40 forward passes a check."""


@dataclass(frozen=True)
class _Measured:
    items: Sequence[Item]
    is_held_out: bool


class HeldOutLoss(Callback):
    """Measures the loss at fixed noise, finds the best step, and raises alarms.

    Args:
        log: of the training.
        alarms: of the training.
    """

    state_key = "held_out"

    def __init__(self, log: TrainingLog, alarms: Alarms) -> None:
        self._log = log
        self._alarms = alarms
        self._checks: list[Check] = []
        self._is_held_out = False

    @property
    def checks(self) -> Sequence[Check]:
        """All measurements so far, by step; the first is of the base model."""
        return self._checks

    @property
    def is_held_out(self) -> bool:
        """True if the losses are of pictures that are not trained on."""
        return self._is_held_out

    @property
    def held_out_loss(self) -> float | None:
        """The newest loss of held-out pictures; None where there are none."""
        if not self._checks or not self._is_held_out:
            return None
        loss = self._checks[-1].loss
        return loss if math.isfinite(loss) else None

    @property
    def best_step(self) -> int | None:
        """The step of the least held-out loss after the first step; None where there is none."""
        trained = [check for check in self._checks if check.step and math.isfinite(check.loss)]
        if not trained or not self._is_held_out:
            return None
        return min(trained, key=lambda check: check.loss).step

    def on_begin(self, trainer: Trainer) -> None:
        """Measure the base model, and the step that the run resumes at if its check is missing."""
        measured = _measured(trainer)
        self._is_held_out = measured.is_held_out
        if not self._checks or self._checks[0].step:
            with trainer.model.scaled(0):
                self._checks.insert(0, Check(0, _loss(trainer, measured.items)))
            self._log.info(self._described(self._checks[0]))
        self._check(trainer)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        self._check(trainer)

    def state(self) -> dict[str, Any]:
        return {"checks": [asdict(check) for check in self._checks]}

    def restore(self, state: dict[str, Any]) -> None:
        self._checks = [Check(**check) for check in state["checks"]]

    def _check(self, trainer: Trainer) -> None:
        config, step = trainer.config, trainer.step
        is_done = self._checks[-1].step >= step
        if not is_done and is_check_step(config, step):
            with trainer.averaged():
                self._checks.append(Check(step, _loss(trainer, _measured(trainer).items)))
            self._log.info(self._described(self._checks[-1]))
        raised = verdicts(
            self._checks, num_steps=config.values.steps, is_held_out=self._is_held_out
        )
        self._alarms.set_only(SUBJECTS, raised)

    def _described(self, check: Check) -> str:
        kind = "held-out loss" if self._is_held_out else "loss at fixed noise"
        return f"step {check.step}: {kind} {check.loss:.4f}"


def _measured(trainer: Trainer) -> _Measured:
    held_out = trainer.dataset.held_out
    items = held_out or trainer.dataset.items
    stride = max(1, math.ceil(len(items) / _MAX_ITEMS))
    return _Measured(items[::stride], bool(held_out))


def _loss(trainer: Trainer, items: Sequence[Item]) -> float:
    losses: list[float] = []
    with torch.no_grad():
        for item in items:
            for level, noise in zip(_LEVELS, _noises(item), strict=True):
                losses.append(trainer.measure(item, level, noise))
    return sum(losses) / len(losses)


def _noises(item: Item) -> list[Tensor]:
    """Return the fixed noise of a picture, a tensor for each level, from the picture's own seed."""
    image = item.image
    digest = hashlib.sha256(f"{image.sha256} {image.bucket}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    shape = item.latents.shape
    return [
        torch.randn(shape, generator=generator).to(item.latents.device, torch.float32)
        for _ in _LEVELS
    ]
