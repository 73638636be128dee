"""The loss curve: bounded, readable as JSON, and drawn."""

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from shared.contracts.training import Hyperparameters
from tests.fakes.files import MemoryFiles
from tests.fixtures.small_trainer import SmallTrainer, UnusedModel
from training_worker.watch.alarms import Alarms
from training_worker.watch.curve import LossCurve
from training_worker.watch.curve_drawing import Line, draw_curve
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog
from training_worker.watch.series import Series, smoothed


def _parts(steps: int = 40) -> tuple[SmallTrainer, MemoryFiles, HeldOutLoss, LossCurve]:
    log, files = TrainingLog(), MemoryFiles()
    trainer = SmallTrainer(UnusedModel(), Hyperparameters(steps=steps, sample_every=20))
    held_out = HeldOutLoss(log, Alarms(log))
    return trainer, files, held_out, LossCurve(files, "trainings/a", held_out, log)


@pytest.mark.parametrize("num", [0, 1, 1999, 2000, 2001, 50_000])
def test_series_is_bounded_and_averages_neighbours(num: int) -> None:
    series = Series()
    for step in range(1, num + 1):
        series.add(step, step)

    steps, losses = series.steps, series.losses
    assert min(num, 1000) <= len(losses) <= 2000
    assert len(steps) == len(losses)
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    assert losses == [step - (stride - 1) / 2 for step in steps]
    assert not num or num - stride < steps[-1] <= num


def test_smoothed_line_follows_without_scatter() -> None:
    losses = [1 + (-1) ** number * 0.5 for number in range(1000)]

    line = smoothed(losses)
    assert all(abs(loss - 1) < 0.05 for loss in line[100:])
    assert line[0] == losses[0]
    assert smoothed([]) == []


def test_json_has_losses_and_checks() -> None:
    trainer, files, held_out, curve = _parts()
    trainer.loss = lambda step: math.nan if step == 3 else 1 / step
    trainer.run([held_out, curve])

    found = json.loads(files.objects["trainings/a/loss_curve.json"])
    assert found["steps"] == list(range(1, 41))
    assert found["loss"][:4] == [1, 0.5, None, 0.25]
    assert found["fixed_noise"]["is_held_out"] is True
    assert found["fixed_noise"]["steps"] == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert found["best_step"] == 5
    assert curve.path == "trainings/a/loss_curve.png"


def test_curve_grows_while_training_runs() -> None:
    trainer, files, held_out, curve = _parts()
    trainer.run([held_out, curve], until=21)

    found = json.loads(files.objects["trainings/a/loss_curve.json"])
    assert found["steps"][-1] == 20


def test_resumed_curve_is_that_of_an_unbroken_run() -> None:
    trainer, unbroken, held_out, curve = _parts()
    trainer.run([held_out, curve])
    trainer, _, first_checks, first = _parts()
    trainer.run([first_checks, first], until=17)
    state = json.loads(json.dumps([first_checks.state(), first.state()]))
    resumed, files, second_checks, second = _parts()
    second_checks.restore(state[0])
    second.restore(state[1])
    resumed.step = 17
    resumed.run([second_checks, second])

    assert files.objects == unbroken.objects
    assert second.recent_loss == pytest.approx(curve.recent_loss)


def test_refused_store_does_not_stop_the_run() -> None:
    trainer, files, held_out, curve = _parts()
    files.num_failures = 1
    trainer.run([held_out, curve])

    assert trainer.step == 40
    assert json.loads(files.objects["trainings/a/loss_curve.json"])["steps"][-1] == 40


def test_drawn_lines_are_where_their_losses_are() -> None:
    falling = Line("a", "#ff0000", [(0, 1.0), (100, 0.0)])
    image = draw_curve("title", [falling])

    pixels = np.asarray(image)[60:]
    rows, columns = np.nonzero((pixels == (255, 0, 0)).all(axis=2))
    left, right = columns.min(), columns.max()
    top, bottom = rows[columns == left].min() + 60, rows[columns == right].max() + 60
    assert top < 80
    assert bottom > image.height - 90
    assert right - left > 800


@pytest.mark.parametrize(
    "points", [[], [(1, 0.5)], [(0, 0.0), (1, math.nan)], [(0, 1e-9), (9, 4e6)]]
)
def test_any_losses_can_be_drawn(points: list[tuple[float, float]]) -> None:
    image = draw_curve("title", [Line("a", "#ff0000", points, has_dots=True)])

    assert image.size == (960, 540)


def test_picture_is_a_png() -> None:
    trainer, files, held_out, curve = _parts()
    trainer.run([held_out, curve])

    with Image.open(io.BytesIO(files.objects["trainings/a/loss_curve.png"])) as image:
        assert (image.format, image.size) == ("PNG", (960, 540))
