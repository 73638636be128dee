"""The training loop of all stages: warm-up and cosine, averaged weights, resumable checkpoints.

The randomness of a step depends only on the seed and the step's number, so that a resumed run
equals an uninterrupted one.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training_worker.swatch.config import StageConfig

logger = logging.getLogger(__name__)


def step_seed(seed: int, step: int) -> int:
    """Return the seed of a step; no two steps of the recipe share one."""
    return seed * 1_000_003 + step


def learning_rate_factor(step: int, config: StageConfig) -> float:
    """Return the factor of the learning rate: linear warm-up, then cosine decay to 2 %."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.num_steps - config.warmup_steps)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def build_optimizers(module: nn.Module, config: StageConfig) -> list[Optimizer]:
    """Build Muon for the matrices of transformer blocks, if enabled, and AdamW for the rest.

    Here, Muon needs little more than half of AdamW's steps for the same loss.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        is_matrix = parameter.ndim == 2 and "transformer_blocks." in name
        use_muon = is_matrix and config.matrix_learning_rate is not None
        (matrices if use_muon else others).append(parameter)
    optimizers: list[Optimizer] = [
        torch.optim.AdamW(
            others, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
        )
    ]
    if config.matrix_learning_rate is not None:
        muon = torch.optim.Muon(
            matrices,
            lr=config.matrix_learning_rate,
            weight_decay=config.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        optimizers.append(muon)
    return optimizers


class Trainer:
    """Resumable training of one module's parameters."""

    def __init__(self, module: nn.Module, config: StageConfig, checkpoint_path: Path) -> None:
        self.module = module
        self.config = config
        self.checkpoint_path = checkpoint_path
        self.optimizers = build_optimizers(module, config)
        self.schedules = [
            LambdaLR(optimizer, lambda step: learning_rate_factor(step, config))
            for optimizer in self.optimizers
        ]
        self.average = AveragedModel(
            module,
            multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay),  # pyright: ignore[reportUnknownArgumentType]
        )
        self.step = 0
        self.seconds = 0.0
        """Processor time of the training over all runs, without that of other processes."""

    def fit(self, compute_loss: Callable[[int], Tensor]) -> None:
        """Run the remaining steps, then load the averaged weights into the module."""
        if self.checkpoint_path.is_file():
            self._resume()
        self.module.train()
        while self.step < self.config.num_steps:
            started = time.process_time()
            loss = compute_loss(self.step)
            self._descend(loss)
            self.step += 1
            self.seconds += time.process_time() - started
            self._report(loss)
        self.module.load_state_dict(self.average.module.state_dict())
        self.module.eval()

    def _descend(self, loss: Tensor) -> None:
        self.module.zero_grad(set_to_none=True)
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        nn.utils.clip_grad_norm_(self.module.parameters(), self.config.max_grad_norm)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()  # pyright: ignore[reportUnknownMemberType]
            schedule.step()
        self.average.update_parameters(self.module)

    def _report(self, loss: Tensor) -> None:
        if self.step % self.config.log_every_steps == 0:
            logger.info(
                "%s: step %d of %d, loss %.4f, %.0f s",
                self.checkpoint_path.stem,
                self.step,
                self.config.num_steps,
                loss.item(),
                self.seconds,
            )
        if self.step % self.config.checkpoint_every_steps == 0 or self._is_done:
            self._save()

    @property
    def _is_done(self) -> bool:
        return self.step == self.config.num_steps

    def _save(self) -> None:
        self.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint_path.with_suffix(".partial")
        state = {
            "module": self.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, partial)
        partial.replace(self.checkpoint_path)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint_path, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        resumables = [*self.optimizers, *self.schedules]
        states = [*state["optimizers"], *state["schedules"]]
        for resumable, saved in zip(resumables, states, strict=True):
            resumable.load_state_dict(saved)
        self.step = state["step"]
        self.seconds = state["seconds"]
        logger.info("%s: resumed at step %d", self.checkpoint_path.stem, self.step)
