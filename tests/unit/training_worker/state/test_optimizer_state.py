"""Every optimizer goes on from its stored state as if it had not been stopped."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from shared.contracts.training import Hyperparameters, OptimizerKind
from training_worker.loop.optimizers import choose_optimizer
from training_worker.state.optimizer_state import (
    group_scalars,
    load_optimizer,
    slot_scalars,
    slot_tensors,
)

pytestmark = pytest.mark.models

NAMES = ["blocks.0.a.weight", "blocks.0.b.weight"]


class _Wrapping(torch.optim.AdamW):
    """Wraps its state in nested dicts, as bitsandbytes does."""

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        state["state"] = {
            index: {"step": slots["step"].item(), "wrapped": {**slots, "step": None}}
            for index, slots in state["state"].items()
        }
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        states = {
            index: {**slots["wrapped"], "step": torch.tensor(float(slots["step"]))}
            for index, slots in state_dict["state"].items()
        }
        super().load_state_dict({**state_dict, "state": states})


def of_kind(kind: OptimizerKind, package: str = "") -> Callable[[list[Tensor]], Optimizer]:
    def build(parameters: list[Tensor]) -> Optimizer:
        if package:
            pytest.importorskip(package, reason=f"{package} is not installed")
        values = Hyperparameters(learning_rate=1e-2)
        return choose_optimizer(kind, parameters, values).optimizer

    return build


def parameters() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(80, 80, generator=generator)) for _ in NAMES]


def run(optimizer: Optimizer, values: list[Tensor], steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for value in values:
            value.grad = torch.randn(value.shape, generator=generator) + value.detach()
        optimizer.step()


@pytest.mark.parametrize(
    "build",
    [
        of_kind(OptimizerKind.ADAMW),
        _Wrapping,
        of_kind(OptimizerKind.PRODIGY, "prodigyopt"),
        of_kind(OptimizerKind.ADAMW8BIT, "bitsandbytes"),  # it computes on CPUs too
    ],
    ids=["adamw", "wrapping", "prodigy", "adamw8bit"],
)
@pytest.mark.parametrize("stopped_after", [0, 1, 4])
def test_a_restored_optimizer_goes_on(
    build: Callable[[list[Tensor]], Optimizer], stopped_after: int
) -> None:
    whole = parameters()
    run(build(whole), whole, range(8))

    first = parameters()
    stopped = build(first)
    run(stopped, first, range(stopped_after))
    tensors = {name: value.clone() for name, value in slot_tensors(stopped, NAMES)}
    second = [torch.nn.Parameter(value.detach().clone()) for value in first]
    resumed = build([*second])
    scalars, groups = slot_scalars(stopped, NAMES), group_scalars(stopped)
    load_optimizer(resumed, NAMES, tensors, scalars, groups)
    run(resumed, [*second], range(stopped_after, 8))
    assert all(torch.equal(left, right) for left, right in zip(whole, second, strict=True))


def test_tensors_are_named_by_slot_and_parameter() -> None:
    values = parameters()
    optimizer = of_kind(OptimizerKind.ADAMW)(values)
    run(optimizer, values, range(1))
    names = {name for name, _ in slot_tensors(optimizer, NAMES)}
    assert names == {
        f"{slot}.{name}" for slot in ("step", "exp_avg", "exp_avg_sq") for name in NAMES
    }


def test_state_that_cannot_be_stored_is_no_secret() -> None:
    values = parameters()
    optimizer = of_kind(OptimizerKind.ADAMW)(values)
    run(optimizer, values, range(1))
    optimizer.state[values[0]]["odd"] = [1, 2]
    with pytest.raises(AssertionError, match="would be lost"):
        slot_scalars(optimizer, NAMES)


def test_prodigy_takes_a_factor_for_a_rate() -> None:
    pytest.importorskip("prodigyopt", reason="prodigyopt is not installed")
    kind = OptimizerKind.PRODIGY
    for given, used in ((1e-4, 1.0), (0.5, 0.5)):
        values = Hyperparameters(learning_rate=given)
        assert choose_optimizer(kind, parameters(), values).learning_rate == used
