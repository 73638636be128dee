"""Seeds, draws, the average's decay, the schedule and the choice of optimizers."""

import sys
from typing import Any

import pytest
import torch

from shared.contracts.training import Hyperparameters, OptimizerKind
from shared.errors import InvalidInputError, ResourceError
from training_worker.loop.average import AveragedWeights, decay_at
from training_worker.loop.optimizers import choose_optimizer, optimizer_for
from training_worker.loop.randomness import draw, step_seed
from training_worker.loop.schedule import learning_rate_factor

pytestmark = pytest.mark.models

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SHAPE = torch.Size([4, 2, 4, 4])


def test_draws_depend_on_the_seed_alone() -> None:
    first, same, other = (
        draw(step_seed(7, position), SHAPE, shift=1.5, dropout=0.5) for position in (1, 1, 2)
    )
    assert torch.equal(first.noise, same.noise)
    assert torch.equal(first.sigmas, same.sigmas)
    assert not torch.equal(first.noise, other.noise)


def test_noise_and_levels_do_not_depend_on_dropout() -> None:
    without, always = (draw(1, SHAPE, shift=1, dropout=dropout) for dropout in (0.0, 1.0))
    assert torch.equal(without.noise, always.noise)
    assert torch.equal(without.sigmas, always.sigmas)
    assert not without.drops_caption.any()
    assert always.drops_caption.all()


def test_no_two_micro_batches_share_a_seed() -> None:
    seeds = {step_seed(seed, position) for seed in range(3) for position in range(1000)}
    assert len(seeds) == 3000
    assert step_seed(2**63 - 1, 10**6) < 2**64  # torch's limit


def test_the_average_forgets_the_start_first() -> None:
    assert decay_at(1, 0.99) == pytest.approx(2 / 11)
    assert decay_at(100, 0.99) == pytest.approx(101 / 110)
    assert decay_at(10_000, 0.99) == 0.99
    parameter = torch.zeros(2)
    average = AveragedWeights({"a": parameter}, 0.99)
    parameter.fill_(1)
    average.update(1)
    assert average.weights["a"].tolist() == pytest.approx([9 / 11] * 2)


def test_the_learning_rate_rises_to_1_and_stays() -> None:
    assert [learning_rate_factor(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert learning_rate_factor(0, 0) == 1


def test_moments_in_8_bits_are_for_cuda() -> None:
    assert optimizer_for("adamw8bit", CPU) is OptimizerKind.ADAMW
    assert optimizer_for("adamw8bit", CUDA) is OptimizerKind.ADAMW8BIT
    assert optimizer_for("prodigy", CPU) is OptimizerKind.PRODIGY
    with pytest.raises(InvalidInputError, match="adamw8bit, adamw, prodigy"):
        optimizer_for("sgd", CPU)


def parameters() -> list[torch.Tensor]:
    return [torch.nn.Parameter(torch.ones(3, 3))]


def test_adamw_has_the_specified_constants() -> None:
    values = Hyperparameters(learning_rate=0.02)
    chosen = choose_optimizer(OptimizerKind.ADAMW, parameters(), values)
    group: dict[str, Any] = chosen.optimizer.param_groups[0]
    assert chosen.learning_rate == 0.02
    assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)
    assert group["weight_decay"] == 0.01
    assert group["fused"]


@pytest.mark.parametrize(
    ("kind", "package"),
    [(OptimizerKind.PRODIGY, "prodigyopt"), (OptimizerKind.ADAMW8BIT, "bitsandbytes")],
)
def test_a_missing_package_is_named(
    kind: OptimizerKind, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ResourceError, match=package) as raised:
        choose_optimizer(kind, parameters(), Hyperparameters())
    assert raised.value.is_final
    assert "SARTIQ_TRAINING_OPTIMIZER=adamw" in str(raised.value)
