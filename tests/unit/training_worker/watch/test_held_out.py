"""The loss at fixed noise, and the alarms that follow from it."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from shared.contracts.training import Hyperparameters
from tests.fixtures.small_trainer import SmallTrainer, UnusedModel
from training_worker.dataset.items import Item
from training_worker.watch.alarms import Alarms
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog
from training_worker.watch.verdicts import Check, verdicts

_BASE = Check(0, 1.0)


def _checks(*losses: float) -> list[Check]:
    return [_BASE, *(Check(number * 10, loss) for number, loss in enumerate(losses, start=1))]


@pytest.mark.parametrize(
    ("losses", "subject"),
    [
        ((0.9, 0.8), None),
        ((1.2,), None),
        ((1.2, 1.01), "diverged"),
        ((0.9, float("nan"), float("inf")), "diverged"),
        ((1.2, 0.9), None),
        ((0.5, 0.6, 0.6), None),
        ((0.5, 0.6, 0.6, 0.56), "overfit"),
        ((0.5, 0.6, 0.54, 0.6), None),
        ((0.5, 0.6, 0.6, 0.6, 0.5), None),
        ((0.99, 0.99, 0.99, 0.99), None),
        ((0.99, 0.99, 0.99, 0.99, 0.985), "not learning"),
        ((0.99, 0.99, 0.99, 0.99, 0.97), None),
    ],
)
def test_alarms_follow_from_the_losses(losses: tuple[float, ...], subject: str | None) -> None:
    found = verdicts(_checks(*losses), num_steps=100, is_held_out=True)

    assert list(found) == ([subject] if subject else [])


def test_trained_pictures_cannot_tell_overfitting() -> None:
    losses = _checks(0.5, 0.6, 0.6, 0.6)

    assert not verdicts(losses, num_steps=100, is_held_out=False)


def _run(
    measure: Callable[[Item, float, Tensor], float], *, num_held_out: int = 2, steps: int = 80
) -> tuple[HeldOutLoss, Alarms, TrainingLog, SmallTrainer]:
    log = TrainingLog()
    alarms = Alarms(log)
    values = Hyperparameters(steps=steps, sample_every=250)
    trainer = SmallTrainer(
        UnusedModel(), values, num_items=20, num_held_out=num_held_out, measure=measure
    )
    held_out = HeldOutLoss(log, alarms)
    trainer.run([held_out])
    return held_out, alarms, log, trainer


def test_noise_is_fixed_for_each_picture_and_level() -> None:
    seen: list[tuple[int, float, Tensor]] = []

    def measure(item: Item, sigma: float, noise: Tensor) -> float:
        seen.append((item.image.index, sigma, noise))
        return 1 / (1 + len(seen))

    held_out, _, _, _ = _run(measure)

    of_one_check = seen[:10]
    assert [(index, sigma) for index, sigma, _ in of_one_check] == [
        (index, sigma) for index in (20, 21) for sigma in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    noises = [noise for _, _, noise in of_one_check]
    assert all(noise.shape == (1, 16, 8, 8) for noise in noises)
    assert len({float(noise.sum()) for noise in noises}) == 10
    for start in range(10, len(seen), 10):
        again = [noise for _, _, noise in seen[start : start + 10]]
        assert all(map(torch.equal, again, noises))
    assert [check.step for check in held_out.checks] == [0, 10, 20, 30, 40, 50, 60, 70, 80]


def test_base_is_measured_without_adapter_and_steps_with_averaged_weights() -> None:
    seen: list[tuple[list[float], int]] = []
    trainer: SmallTrainer | None = None

    def measure(_item: Item, _sigma: float, _noise: Tensor) -> float:
        assert trainer is not None
        seen.append((list(trainer.model.weights), trainer.averaged_depth))
        return 1.0

    trainer = SmallTrainer(UnusedModel(), Hyperparameters(steps=2), measure=measure)
    log = TrainingLog()
    trainer.run([HeldOutLoss(log, Alarms(log))])

    assert seen[:10] == [([0], 0)] * 10
    assert seen[10:] == [([], 1)] * 20


def test_best_step_and_overfit_alarm() -> None:
    count = 0

    def measure(_item: Item, _sigma: float, _noise: Tensor) -> float:
        nonlocal count
        check, count = count // 10, count + 1
        return [1.0, 0.6, 0.4, 0.3, 0.31, 0.4, 0.4, 0.4, 0.4][check]

    held_out, alarms, log, _ = _run(measure)

    assert held_out.best_step == 30
    assert held_out.held_out_loss == pytest.approx(0.4)
    [line] = alarms.lines
    assert line.startswith("overfit: the held-out loss is 33% above its least value, of step 30")
    assert log.text.count("WARNING overfit") == 1


def test_without_held_out_pictures_a_few_trained_ones_are_measured() -> None:
    indices: list[int] = []

    def measure(item: Item, _sigma: float, _noise: Tensor) -> float:
        indices.append(item.image.index)
        return 2.0 if len(indices) > 35 else 1.0

    held_out, alarms, _, _ = _run(measure, num_held_out=0)

    assert list(dict.fromkeys(indices)) == [0, 3, 6, 9, 12, 15, 18]
    assert (held_out.held_out_loss, held_out.best_step) == (None, None)
    assert alarms.lines[0].startswith("diverged: the loss is 2 after 80 steps")


def test_resumed_run_has_the_checks_of_an_unbroken_one() -> None:
    def measure_at(trainer: SmallTrainer) -> Callable[[Item, float, Tensor], float]:
        return lambda _item, _sigma, _noise: 1 / (1 + trainer.step)

    def parts() -> tuple[SmallTrainer, HeldOutLoss]:
        log = TrainingLog()
        trainer = SmallTrainer(UnusedModel(), Hyperparameters(steps=80))
        trainer.measure = measure_at(trainer)
        return trainer, HeldOutLoss(log, Alarms(log))

    trainer, unbroken = parts()
    trainer.run([unbroken])
    trainer, first = parts()
    trainer.run([first], until=29)
    state = json.loads(json.dumps(first.state()))
    resumed, second = parts()
    second.restore(state)
    resumed.step = 30  # saved after the step, before its check
    resumed.run([second])
    resumed, lost = parts()
    resumed.step = 30
    resumed.run([lost])

    assert second.state() == unbroken.state()
    assert second.best_step == 80
    assert [check.step for check in lost.checks] == [0, 30, 40, 50, 60, 70, 80]
