"""A whole run as its record shows it: reports, figures, files, and what a resume keeps."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.progress import TrainingProgress
from shared.contracts.training import Hyperparameters
from tests.fakes.files import MemoryFiles
from tests.fixtures.small_trainer import SmallModel, SmallTrainer
from training_worker.loop.callbacks import Callback
from training_worker.watch.watching import Watch, WatchSettings

pytestmark = pytest.mark.models

_ID = UUID(int=9)


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def model() -> SmallModel:
    return SmallModel()


def _watch(
    files: MemoryFiles,
    reports: list[TrainingProgress],
    scratch: Path,
    clock: Callable[[], float] = time.monotonic,
) -> Watch:
    return Watch.of(
        WatchSettings(
            training_id=_ID,
            files=files,
            sample_side_px=64,
            scratch=scratch,
            report=reports.append,
            earlier_log=["2026-11-30T11:00:00Z INFO 12 pictures"],
            checkpoint_step=lambda: 12,
            clock=clock,
        )
    )


def _trainer(model: SmallModel) -> SmallTrainer:
    values = Hyperparameters(steps=60, sample_every=30, sample_steps=1)
    return SmallTrainer(model, values, measure=lambda _item, sigma, _noise: sigma)


def test_reports_have_the_whole_state(model: SmallModel, tmp_path: Path) -> None:
    files, reports = MemoryFiles(), list[TrainingProgress]()
    watch = _watch(files, reports, tmp_path)
    _trainer(model).run([*watch.measuring, *watch.showing])

    first, last = reports[0], reports[-1]
    assert (first.current_step, first.eta_seconds, last.current_step, last.eta_seconds) == (
        0,
        None,
        60,
        0,
    )
    metrics = last.metrics
    assert metrics is not None
    assert metrics.loss == pytest.approx(sum(1 / step for step in range(11, 61)) / 50)
    assert metrics.held_out_loss == pytest.approx(0.5)
    assert metrics.it_per_s == pytest.approx(10)
    assert (metrics.best_step, metrics.last_checkpoint_step) == (7, 12)
    assert (metrics.base_model, metrics.optimizer_used, metrics.device) == (
        "swatch",
        "adamw",
        "cpu",
    )
    assert metrics.memory_bytes is not None
    assert metrics.memory_bytes > 1e6
    folder = f"trainings/{_ID}"
    assert metrics.sample_paths == [f"{folder}/samples/{step}_0.png" for step in (0, 30, 60)]
    named = (metrics.contact_sheet_path, metrics.loss_curve_path, metrics.log_path)
    assert {*metrics.sample_paths, *named} <= files.objects.keys()
    assert metrics.alarms[0].startswith("not learning")
    assert last.logs is not None
    assert "12 pictures" in last.logs.splitlines()[0]
    reported = {file.key for report in reports for file in report.files}
    assert reported == files.objects.keys() == {file.key for file in watch.sources.files.stored}
    assert "| step | 60 of 60 (100%) |" in watch.reports.summary
    assert "- **not learning" in watch.reports.summary


def test_reports_come_once_a_second(model: SmallModel, tmp_path: Path) -> None:
    reports, clock = list[TrainingProgress](), _Clock()
    watch, trainer = _watch(MemoryFiles(), reports, tmp_path, clock), _trainer(model)

    def loss(_step: int) -> float:
        clock.now += 0.25
        return 1.0

    trainer.loss = loss
    trainer.run([watch.reports])

    assert [report.current_step for report in reports] == [*range(0, 61, 4), 60]


def _stateful(watch: Watch) -> list[Callback]:
    return [each for each in (*watch.measuring, *watch.showing) if each.state_key]


def _state(watch: Watch) -> dict[str, Any]:
    return {callback.state_key: callback.state() for callback in _stateful(watch)}


def test_resume_keeps_curve_samples_and_checks(model: SmallModel, tmp_path: Path) -> None:
    files, reports = MemoryFiles(), list[TrainingProgress]()
    unbroken = _watch(MemoryFiles(), [], tmp_path)
    _trainer(model).run([*unbroken.measuring, *unbroken.showing])
    watch, trainer = _watch(files, reports, tmp_path), _trainer(model)
    trainer.run([*watch.measuring, *watch.showing], until=37)
    state = json.loads(json.dumps(_state(watch)))

    resumed, later = _watch(files, reports, tmp_path), _trainer(model)
    for callback in _stateful(resumed):
        callback.restore(state[callback.state_key])
    begun = resumed.reports.metrics(later)
    assert begun.contact_sheet_path in files.objects
    assert begun.loss_curve_path in files.objects
    later.step = 37
    later.run([*resumed.measuring, *resumed.showing])

    mine, theirs = resumed.reports.metrics(later), unbroken.reports.metrics(later)
    volatile = {"memory_bytes"}
    assert mine.model_dump(exclude=volatile) == theirs.model_dump(exclude=volatile)
    log = files.objects[f"trainings/{_ID}/log.txt"].decode()
    assert log.count("12 pictures") == 1
    assert "resumed after step 37" in log
    assert {**_state(resumed), "pace": None} == {**_state(unbroken), "pace": None}
