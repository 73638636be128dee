"""A training that is stopped and resumed ends with the weights of an unbroken one, bit for bit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.cancellation import Cancelled
from tests.fixtures.lora_training import TRAINING, Recorder, make_trainer, weights_digest
from training_worker.dataset.items import CachedDataset
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.state.objects import LoopObjects
from training_worker.state.resume_saver import ResumeSaver
from training_worker.state.resume_states import ResumeStates
from training_worker.state.snapshot import Snapshot, capture, restore
from training_worker.state.uploads import Uploads

pytestmark = pytest.mark.models

# Epochs of three batches: a step of two takes the data across the ends of epochs.
VALUES: dict[str, Any] = {
    "steps": 6,
    "batch_size": 2,
    "gradient_accumulation": 2,
    "caption_dropout": 0.4,
    "seed": 3,
}


@pytest.fixture(scope="module")
def unbroken(dataset: CachedDataset) -> str:
    trainer = make_trainer(dataset, **VALUES)
    trainer.fit()
    return weights_digest(trainer)


@pytest.fixture(scope="module")
def stopped(dataset: CachedDataset) -> Snapshot:
    """The state after two steps."""
    trainer, recorder = make_trainer(dataset, **VALUES), Recorder(stop_after=2)
    with pytest.raises(Cancelled):
        trainer.fit([recorder], recorder.flag)
    return _frozen(capture(trainer))


def _frozen(snapshot: Snapshot) -> Snapshot:
    tensors = {name: value.clone() for name, value in snapshot.tensors.items()}
    return Snapshot(tensors, snapshot.facts)


def run_until(
    stop_after: int | None, dataset: CachedDataset, objects: LoopObjects, folder: Path
) -> tuple[str, list[int]]:
    """Run one attempt, with a new model and an empty disk; return weights and its steps."""
    trainer, recorder = make_trainer(dataset, **VALUES), Recorder(stop_after)
    states = ResumeStates(objects, TRAINING, folder)
    if (newest := states.newest()) is not None:
        restore(trainer, newest)
    with Uploads() as uploads:
        saver = ResumeSaver(trainer, states, uploads)
        if stop_after is None:
            trainer.fit([recorder, saver], recorder.flag)
        else:
            with pytest.raises(Cancelled):
                trainer.fit([recorder, saver], recorder.flag)
    return weights_digest(trainer), [result.step for result in recorder.results]


def test_two_runs_of_one_seed_are_equal(dataset: CachedDataset, unbroken: str) -> None:
    torch.manual_seed(99)  # the state of the global generator does not matter
    trainer = make_trainer(dataset, **VALUES)
    trainer.fit()
    assert weights_digest(trainer) == unbroken


def test_another_seed_gives_other_weights(dataset: CachedDataset, unbroken: str) -> None:
    trainer = make_trainer(dataset, **VALUES | {"seed": 4})
    trainer.fit()
    assert weights_digest(trainer) != unbroken


def test_resumed_twice_each_step_runs_once(
    dataset: CachedDataset, unbroken: str, objects: LoopObjects, tmp_path: Path
) -> None:
    # Step 3 ends at the end of an epoch.
    _, first = run_until(1, dataset, objects, tmp_path / "a")
    _, second = run_until(3, dataset, objects, tmp_path / "b")
    digest, third = run_until(None, dataset, objects, tmp_path / "c")
    assert first + second + third == [1, 2, 3, 4, 5, 6]
    assert digest == unbroken


def test_a_finished_training_is_not_repeated(
    dataset: CachedDataset, unbroken: str, objects: LoopObjects, tmp_path: Path
) -> None:
    run_until(None, dataset, objects, tmp_path / "a")
    assert run_until(None, dataset, objects, tmp_path / "b") == (unbroken, [])


def _resumed(dataset: CachedDataset, snapshot: Snapshot) -> str:
    trainer = make_trainer(dataset, **VALUES)
    restore(trainer, snapshot)
    trainer.fit()
    return weights_digest(trainer)


def test_the_snapshot_is_complete(dataset: CachedDataset, stopped: Snapshot, unbroken: str) -> None:
    assert _resumed(dataset, stopped) == unbroken


@pytest.mark.parametrize("missing", ["optimizer", "average", "step", "weights in bfloat16"])
def test_no_part_of_the_state_can_be_left_out(
    missing: str, dataset: CachedDataset, stopped: Snapshot, unbroken: str
) -> None:
    assert _resumed(dataset, _without(missing, stopped)) != unbroken


def _without(missing: str, snapshot: Snapshot) -> Snapshot:
    tensors, facts = dict(snapshot.tensors), dict(snapshot.facts)
    model = {name: value for name, value in tensors.items() if name.startswith("model.")}
    match missing:
        case "optimizer":
            kept = ("model.", "ema.")
            tensors = {name: value for name, value in tensors.items() if name.startswith(kept)}
        case "average":
            tensors |= {f"ema.{name.removeprefix('model.')}": model[name] for name in model}
        case "step":
            facts["step"] = 1
        case _:
            tensors |= {name: model[name].bfloat16().float() for name in model}
    return Snapshot(tensors, facts)


def test_raw_and_averaged_weights_are_both_saved(stopped: Snapshot) -> None:
    name = "transformer_blocks.0.attn.to_q.lora_B.weight"
    assert not torch.equal(stopped.tensors[f"model.{name}"], stopped.tensors[f"ema.{name}"])
    assert {f"exp_avg.{name}", f"exp_avg_sq.{name}"} <= stopped.tensors.keys()
    assert all(value.dtype is torch.float32 for value in stopped.tensors.values())


class _Disturber(Callback):
    """Draws from the global generator, measures, and looks at averaged weights."""

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        torch.randn(3)
        item = trainer.dataset.items[0]
        with trainer.averaged(), trainer.model.scaled(0.5):
            trainer.measure(item, 0.5, torch.zeros_like(item.latents))


def test_samples_and_measurements_do_not_disturb(dataset: CachedDataset, unbroken: str) -> None:
    trainer = make_trainer(dataset, **VALUES)
    trainer.fit([_Disturber()])
    assert weights_digest(trainer) == unbroken


class _Counter(Callback):
    state_key = "counter"

    def __init__(self) -> None:
        self.count = 0

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        self.count += 1

    def state(self) -> Any:
        return {"count": self.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]


def test_callbacks_keep_their_state(dataset: CachedDataset) -> None:
    first, counter = make_trainer(dataset, steps=2), _Counter()
    first.fit([counter])
    snapshot = capture(first, [counter])
    second, fresh = make_trainer(dataset, steps=2), _Counter()
    restore(second, snapshot)
    second.fit([fresh])
    assert fresh.count == 2
