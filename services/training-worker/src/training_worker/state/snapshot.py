"""A training's whole state between two steps, as tensors and JSON, and back.

Nothing random is part of it: all randomness is a function of seed and step (`loop.randomness`), and
so are the learning rate and the order of the data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.contracts.training import OptimizerKind
from shared.errors import InvalidInputError
from training_worker.loop.callbacks import Callback
from training_worker.loop.trainer import Trainer
from training_worker.state.optimizer_state import (
    group_scalars,
    load_optimizer,
    slot_scalars,
    slot_tensors,
)

_MODEL, _EMA = "model", "ema"
_SOURCES = {
    "config": "the hyperparameters",
    "dataset": "the dataset",
    "base": "the base model",
}


@dataclass(frozen=True)
class Snapshot:
    """A training's state.

    Attributes:
        tensors: `model.*`, `ema.*`, and `exp_avg.*` and the like of the optimizer.
        facts: everything else, as JSON values.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return self.facts["step"]


def environment(device: torch.device) -> dict[str, Any]:
    """Return what decides the rounding of a step, beside the code."""
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": kind,
        "threads": torch.get_num_threads(),
    }


def capture(trainer: Trainer, callbacks: Sequence[Callback] = ()) -> Snapshot:
    """Return the state of a training between two steps. Its tensors are the training's own."""
    values = trainer.config.values
    states = {callback.state_key: callback.state() for callback in callbacks if callback.state_key}
    facts = {
        "version": 1,
        "step": trainer.step,
        "micro_batches_seen": trainer.step * values.gradient_accumulation,
        "schedule": {"steps": values.steps, "warmup_steps": trainer.config.warmup_steps},
        "optimizer_used": trainer.optimizer_used,
        "optimizer_groups": group_scalars(trainer.optimizer),
        "optimizer_scalars": slot_scalars(trainer.optimizer, list(trainer.model.parameters)),
        "digests": _digests(trainer),
        "environment": environment(trainer.model.device),
        "callbacks": trainer.callback_states | states,
    }
    return Snapshot(dict(_tensors(trainer)), facts)


def restore(trainer: Trainer, snapshot: Snapshot) -> str:
    """Put a training into a state that `capture` returned.

    Returns:
        A line for the training's log.

    Raises:
        InvalidInputError: it is the state of another training.
        ResourceError: this worker lacks the optimizer that it was written with.
    """
    _check_sources(trainer, snapshot)
    _copy(snapshot.tensors, _MODEL, trainer.model.parameters)
    if trainer.average.is_on:
        _copy(snapshot.tensors, _EMA, trainer.average.weights)
    if trainer.optimizer_used != snapshot.facts["optimizer_used"]:
        trainer.use_optimizer(OptimizerKind(snapshot.facts["optimizer_used"]))
    load_optimizer(
        trainer.optimizer,
        list(trainer.model.parameters),
        _without_weights(snapshot.tensors),
        snapshot.facts["optimizer_scalars"],
        snapshot.facts["optimizer_groups"],
    )
    trainer.step = trainer.saved_step = snapshot.step
    trainer.callback_states = dict(snapshot.facts["callbacks"])
    return _resumed(snapshot, environment(trainer.model.device))


def _digests(trainer: Trainer) -> dict[str, str]:
    return {
        "config": trainer.config.digest,
        "dataset": trainer.dataset.digest,
        "base": trainer.model.digest,
    }


def _check_sources(trainer: Trainer, snapshot: Snapshot) -> None:
    own, stored = _digests(trainer), snapshot.facts["digests"]
    changed = [words for name, words in _SOURCES.items() if own[name] != stored[name]]
    if changed:
        raise InvalidInputError(
            f"the training cannot go on from step {snapshot.step}: {' and '.join(changed)} changed"
            " since that state was written. Put back the former, or start a new training",
            is_final=True,
        )


def _tensors(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    for name, value in trainer.model.parameters.items():
        yield f"{_MODEL}.{name}", value.detach()
    if trainer.average.is_on:
        for name, value in trainer.average.weights.items():
            yield f"{_EMA}.{name}", value
    yield from slot_tensors(trainer.optimizer, list(trainer.model.parameters))


def _without_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = (f"{_MODEL}.", f"{_EMA}.")
    return {name: value for name, value in tensors.items() if not name.startswith(weights)}


@torch.no_grad()
def _copy(tensors: Mapping[str, Tensor], kind: str, into: Mapping[str, Tensor]) -> None:
    for name, value in into.items():
        value.copy_(tensors[f"{kind}.{name}"])


def _resumed(snapshot: Snapshot, here: Mapping[str, Any]) -> str:
    """Return a sentence on a resume, and on how exact it is."""
    stored = snapshot.facts["environment"]
    differing = [
        f"{name} {stored.get(name)}, here {here[name]}"
        for name in sorted(here)
        if stored.get(name) != here[name]
    ]
    exactness = (
        f"same schedule, not bit-identical: {'; '.join(differing)}" if differing else "bit for bit"
    )
    return f"resumed from the state of step {snapshot.step}, {exactness}"
