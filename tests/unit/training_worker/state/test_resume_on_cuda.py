"""Settings that exist on CUDA alone: moments in 8 bits, a base model in bfloat16, resumed."""

from pathlib import Path

import pytest
import torch

from shared.cancellation import Cancelled
from tests.fixtures.lora_training import Recorder, encoded, make_trainer, open_base, write_dataset
from training_worker.loop.trainer import Trainer
from training_worker.state.snapshot import capture, restore

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CUDA = torch.device("cuda")


def test_a_resumed_training_keeps_steps_and_moments_in_8_bits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")

    def trainer(steps: int) -> Trainer:
        base = open_base(device=CUDA, dtype=torch.bfloat16)
        dataset = encoded(tmp_path, manifest, base)
        return make_trainer(dataset, base, steps=steps, rank=16)

    manifest = write_dataset(tmp_path, [(64, 64)] * 3)
    whole, all_steps = trainer(8), Recorder()
    whole.fit([all_steps])
    first, second = trainer(8), trainer(8)
    until_four = Recorder(stop_after=4)
    with pytest.raises(Cancelled):
        first.fit([until_four], until_four.flag)
    restore(second, capture(first))
    rest = Recorder()
    second.fit([rest])
    assert second.optimizer_used == "adamw8bit"
    assert second.model.parameters.keys() == first.model.parameters.keys()
    losses = [*until_four.losses, *rest.losses]
    # CUDA kernels add in any order: equal steps, not equal bits.
    assert losses == pytest.approx(all_steps.losses, rel=0.01)


def test_activations_are_recomputed_by_default_on_cuda(tmp_path: Path) -> None:
    base = open_base(device=CUDA, dtype=torch.bfloat16)
    dataset = encoded(tmp_path, write_dataset(tmp_path, [(32, 32)]), base)
    trainer = make_trainer(dataset, base, steps=2, optimizer="adamw")
    trainer.fit()
    assert trainer._trainable.uses_checkpointing
    assert {value.dtype for value in trainer.model.parameters.values()} == {torch.float32}
