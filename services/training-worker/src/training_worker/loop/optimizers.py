"""Optimizers of trainings, by their names in settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import structlog
import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from shared.contracts.training import Hyperparameters, OptimizerKind
from shared.errors import InvalidInputError, ResourceError

_log = structlog.stdlib.get_logger(__name__)

_BETAS = (0.9, 0.999)
_EPS = 1e-8
_WEIGHT_DECAY = 0.01
_LEAST_PRODIGY_RATE = 0.1

_Build = Callable[[Sequence[Tensor], float], Optimizer]


@dataclass(frozen=True)
class ChosenOptimizer:
    """An optimizer that is ready to run.

    Attributes:
        name: the one used, which may differ from the one that was asked for.
        learning_rate: after the warm-up.
        optimizer: its learning rate is set before each step.
    """

    name: str
    learning_rate: float
    optimizer: Optimizer


def optimizer_for(wanted: str, device: torch.device) -> OptimizerKind:
    """Return the optimizer that this device runs: moments in 8 bits exist on CUDA alone.

    Raises:
        InvalidInputError: there is none of this name.
    """
    try:
        kind = OptimizerKind(wanted)
    except ValueError as error:
        known = ", ".join(OptimizerKind)
        raise InvalidInputError(f"optimizer: {wanted!r} is unknown; give {known}") from error
    if kind is OptimizerKind.ADAMW8BIT and device.type != "cuda":
        return OptimizerKind.ADAMW
    return kind


def choose_optimizer(
    kind: OptimizerKind, parameters: Sequence[Tensor], values: Hyperparameters
) -> ChosenOptimizer:
    """Build an optimizer.

    Raises:
        ResourceError: its package is not installed.
    """
    learning_rate = values.learning_rate
    if kind is OptimizerKind.PRODIGY and learning_rate < _LEAST_PRODIGY_RATE:
        # Prodigy finds the rate itself, and takes a factor here.
        _log.info("prodigy_learning_rate_set_to_1", given=learning_rate)
        learning_rate = 1.0
    optimizer = _BUILDERS[kind](parameters, learning_rate)
    return ChosenOptimizer(kind.value, learning_rate, optimizer)


def _adamw(parameters: Sequence[Tensor], learning_rate: float) -> Optimizer:
    return AdamW(
        parameters,
        lr=learning_rate,
        betas=_BETAS,
        eps=_EPS,
        weight_decay=_WEIGHT_DECAY,
        fused=parameters[0].device.type in {"cuda", "cpu", "mps"},
    )


def _adamw8bit(parameters: Sequence[Tensor], learning_rate: float) -> Optimizer:
    return _imported("bitsandbytes", "cuda").optim.AdamW8bit(
        parameters, lr=learning_rate, betas=_BETAS, eps=_EPS, weight_decay=_WEIGHT_DECAY
    )


def _prodigy(parameters: Sequence[Tensor], learning_rate: float) -> Optimizer:
    return _imported("prodigyopt", "prodigy").Prodigy(
        parameters,
        lr=learning_rate,
        betas=_BETAS,
        eps=_EPS,
        weight_decay=_WEIGHT_DECAY,
        use_bias_correction=True,
        safeguard_warmup=True,
    )


_BUILDERS: dict[OptimizerKind, _Build] = {
    OptimizerKind.ADAMW: _adamw,
    OptimizerKind.ADAMW8BIT: _adamw8bit,
    OptimizerKind.PRODIGY: _prodigy,
}


def _imported(package: str, extra: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise ResourceError(
            f"the optimizer needs the package {package}, which this worker lacks; install"
            f" sartiq-training-worker[{extra}], or set SARTIQ_TRAINING_OPTIMIZER=adamw",
            is_final=True,
        ) from error
