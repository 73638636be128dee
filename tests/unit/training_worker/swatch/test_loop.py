from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training_worker.swatch.config import StageConfig
from training_worker.swatch.diffusers_calls import seeded
from training_worker.swatch.loop import (
    Trainer,
    build_optimizers,
    learning_rate_factor,
    step_seed,
)

pytestmark = pytest.mark.models

CONFIG = StageConfig(
    num_steps=12,
    batch_size=4,
    learning_rate=0.1,
    matrix_learning_rate=0.1,
    warmup_steps=2,
    checkpoint_every_steps=5,
)


class Blocks(nn.Module):
    """A matrix inside a transformer block, and one outside."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer_blocks = nn.ModuleList([nn.Linear(3, 3)])
        self.proj_out = nn.Linear(3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.proj_out(self.transformer_blocks[0](inputs))


class Interrupted(Exception):  # noqa: N818
    pass


def make_trainer(path: Path) -> Trainer:
    torch.manual_seed(0)
    return Trainer(Blocks(), CONFIG, path)


def loss_of(trainer: Trainer, step: int) -> Tensor:
    inputs = torch.randn(CONFIG.batch_size, 3, generator=seeded(step_seed(1, step)))
    return (trainer.module(inputs) - inputs.sum(1, keepdim=True)).square().mean()


def test_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "whole.pt")
    whole.fit(lambda step: loss_of(whole, step))

    broken = make_trainer(tmp_path / "broken.pt")

    def break_at_eight(step: int) -> Tensor:
        if step == 8:
            raise Interrupted
        return loss_of(broken, step)

    with pytest.raises(Interrupted):
        broken.fit(break_at_eight)
    resumed = make_trainer(tmp_path / "broken.pt")
    resumed.fit(lambda step: loss_of(resumed, step))

    for left, right in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(left, right)


def test_finished_run_is_not_repeated(tmp_path: Path) -> None:
    first = make_trainer(tmp_path / "run.pt")
    first.fit(lambda step: loss_of(first, step))
    second = make_trainer(tmp_path / "run.pt")
    second.fit(lambda _: pytest.fail("a finished run computed a loss"))
    assert torch.equal(second.module.proj_out.weight, first.module.proj_out.weight)


def test_muon_takes_the_matrices_of_blocks_only() -> None:
    module = Blocks()
    adamw, muon = build_optimizers(module, CONFIG)
    (matrix,) = muon.param_groups[0]["params"]
    assert matrix is module.transformer_blocks[0].weight
    assert len(adamw.param_groups[0]["params"]) == 3


def test_muon_is_not_used_without_its_learning_rate() -> None:
    config = CONFIG.model_copy(update={"matrix_learning_rate": None})
    (adamw,) = build_optimizers(Blocks(), config)
    assert isinstance(adamw, torch.optim.AdamW)
    assert len(adamw.param_groups[0]["params"]) == 4


def test_learning_rate_rises_then_falls() -> None:
    factors = [learning_rate_factor(step, CONFIG) for step in range(CONFIG.num_steps)]
    assert factors[0] == 0.5
    assert max(factors) == factors[1] == 1
    assert factors[2:] == sorted(factors[2:], reverse=True)
    assert factors[-1] < 0.1
