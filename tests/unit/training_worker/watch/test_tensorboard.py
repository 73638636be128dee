"""TensorBoard's files, where they are asked for."""

import sys
from pathlib import Path

import pytest

from shared.contracts.training import Hyperparameters
from tests.fakes.files import MemoryFiles
from tests.fixtures.small_trainer import SmallTrainer, UnusedModel
from training_worker.watch.alarms import Alarms
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog
from training_worker.watch.tensorboard import TensorBoardFiles


def _run(
    files: MemoryFiles, scratch: Path, *, tensorboard: bool = True, first_step: int = 0
) -> TrainingLog:
    log = TrainingLog()
    held_out = HeldOutLoss(log, Alarms(log))
    values = Hyperparameters(steps=20, sample_every=10, tensorboard=tensorboard)
    trainer = SmallTrainer(UnusedModel(), values)
    trainer.step = first_step
    trainer.run([held_out, TensorBoardFiles(files, "trainings/a", scratch, held_out, log)])
    return log


def test_missing_package_is_named_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    files = MemoryFiles()

    log = _run(files, tmp_path)

    assert "install the package tensorboard on the training worker" in log.text
    assert not files.objects


def test_nothing_is_written_unless_asked_for(tmp_path: Path) -> None:
    files = MemoryFiles()
    log = _run(files, tmp_path, tensorboard=False)

    assert not files.objects
    assert "tensorboard" not in log.text


def test_event_files_of_both_attempts_are_stored(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the optional package tensorboard is not installed")
    files = MemoryFiles()
    _run(files, tmp_path / "a")
    _run(files, tmp_path / "b", first_step=10)

    names = sorted(files.objects)
    assert names == [f"trainings/a/tensorboard/events.out.tfevents.{step:09d}" for step in (0, 10)]
    assert all(b"loss/held_out" in content for content in files.objects.values())
