"""The time that is left: of steps, samples and saves, whatever a slow one took."""

import pytest

from shared.contracts.training import Hyperparameters
from tests.fixtures.small_trainer import SmallTrainer, UnusedModel
from training_worker.loop.cadence import is_check_step, is_sample_step, samples_left, saves_left
from training_worker.loop.callbacks import StepResult
from training_worker.watch.eta import Pace, Pause

_STEP_S = 0.1


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _trainer(**values: int) -> SmallTrainer:
    given = {"steps": 1000, "sample_every": 100, "save_every": 500} | values
    return SmallTrainer(UnusedModel(), Hyperparameters(**given), seconds=_STEP_S)


def _pause(pace: Pace, clock: _Clock, kind: Pause, seconds: float) -> None:
    with pace.measured(kind):
        clock.now += seconds


def test_unknown_before_five_steps() -> None:
    trainer, pace = _trainer(), Pace()
    trainer.run([pace], until=4)
    assert pace.eta_seconds(trainer.config, trainer.step) is None

    pace.on_step(trainer, _result(trainer, 5))
    assert pace.eta_seconds(trainer.config, 5) == round(995 * _STEP_S)


def _result(trainer: SmallTrainer, step: int) -> StepResult:
    return StepResult(step, 1.0, 1.0, 1e-4, trainer.seconds)


@pytest.mark.parametrize("slow", ["first", "newest"])
def test_slow_sample_changes_the_estimate_little(slow: str) -> None:
    clock = _Clock()
    trainer, pace = _trainer(), Pace(clock)
    usual = 2.0
    times = [usual] * 5
    times[0 if slow == "first" else -1] = 100 * usual
    for seconds in times:
        _pause(pace, clock, Pause.SAMPLE, seconds)
    _pause(pace, clock, Pause.SAVE, 3.0)
    trainer.run([pace], until=400)

    left = 600 * _STEP_S + 6 * usual + 2 * 3.0
    assert pace.eta_seconds(trainer.config, 400) == pytest.approx(left, rel=0.1)


def test_time_between_steps_is_no_step_time() -> None:
    clock = _Clock()
    trainer, pace = _trainer(sample_every=1000), Pace(clock)
    trainer.run([pace], until=60)
    _pause(pace, clock, Pause.SAMPLE, 100 * _STEP_S)
    clock.now += 3600
    trainer.step = 61
    pace.on_step(trainer, _result(trainer, 61))

    assert pace.steps_per_s == pytest.approx(10)
    assert pace.eta_seconds(trainer.config, 61) == pytest.approx(939 * _STEP_S + 10, rel=0.01)


def test_resume_measures_steps_anew_and_keeps_the_times_of_samples() -> None:
    clock = _Clock()
    trainer, pace = _trainer(), Pace(clock)
    _pause(pace, clock, Pause.SAMPLE, 7)
    trainer.run([pace], until=300)

    resumed, elsewhere = _trainer(), Pace(clock)
    resumed.step, resumed.seconds = 300, 2 * _STEP_S
    elsewhere.restore(pace.state())
    resumed.run([elsewhere], until=304)
    assert elsewhere.eta_seconds(resumed.config, 304) is None
    resumed.run([], until=305)
    elsewhere.on_step(resumed, _result(resumed, 305))

    assert elsewhere.eta_seconds(resumed.config, 305) == round(695 * 2 * _STEP_S + 7 * 7)


def test_nothing_is_left_at_the_end() -> None:
    trainer, pace = _trainer(steps=7), Pace()
    trainer.run([pace])

    assert pace.eta_seconds(trainer.config, 7) == 0


@pytest.mark.parametrize(("steps", "every"), [(10, 4), (12, 4), (3, 250), (1, 1), (0, 5)])
def test_planned_samples_and_saves_are_those_that_come(steps: int, every: int) -> None:
    trainer = _trainer(steps=steps, sample_every=every, save_every=every)
    later = [step for step in range(1, steps + 1) if is_sample_step(trainer.config, step)]

    for step in range(steps + 1):
        expected = sum(other > step for other in later)
        assert samples_left(trainer.config, step) == expected
        assert saves_left(trainer.config, step) == expected


@pytest.mark.parametrize("steps", [1, 7, 100, 1000])
def test_short_runs_are_checked_often_enough(steps: int) -> None:
    config = _trainer(steps=steps, sample_every=250).config
    checks = [step for step in range(1, steps + 1) if is_check_step(config, step)]

    assert min(8, steps) <= len(checks) <= 14
    assert checks[-1] == steps
