"""The pace of a run: the time of a step, and the time that is left.

Samples, saves and checks have medians of their own, and are no part of a step's time: one slow
sample neither slows the steps down nor the estimate. Downtime between attempts is not measured.
"""

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from statistics import median, median_low
from typing import Any

from training_worker.loop.cadence import samples_left, saves_left
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.loop.config import LoopConfig

_NUM_STEPS = 50
_MIN_STEPS = 5
_NUM_PAUSES = 20


class Pause(StrEnum):
    """Work between two steps whose time is planned by its own median."""

    SAMPLE = "sample"
    SAVE = "save"


_LEFT: dict[Pause, Callable[[LoopConfig, int], int]] = {
    Pause.SAMPLE: samples_left,
    Pause.SAVE: saves_left,
}


class Pace(Callback):
    """The speed of steps, samples and saves, and the time that is left.

    Args:
        clock: returns seconds; only differences matter.
    """

    state_key = "pace"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps: deque[float] = deque(maxlen=_NUM_STEPS)
        self._pauses: dict[Pause, deque[float]] = {
            pause: deque(maxlen=_NUM_PAUSES) for pause in Pause
        }

    def on_begin(self, trainer: Trainer) -> None:
        """Forget the steps of another attempt: this machine may be faster."""
        self._steps.clear()

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        self._steps.append(result.seconds)

    @contextmanager
    def measured(self, pause: Pause) -> Generator[None]:
        """Measure the time of the block as that of a sample step or a kept save."""
        start = self._clock()
        try:
            yield
        finally:
            self._pauses[pause].append(self._clock() - start)

    @property
    def steps_per_s(self) -> float | None:
        """Steps a second: of the median of the last 50; None before the first."""
        seconds = median(self._steps) if self._steps else 0
        return 1 / seconds if seconds else None

    def eta_seconds(self, config: LoopConfig, step: int) -> int | None:
        """Return the time that is left after so many steps; None before 5 steps were timed."""
        if step >= config.values.steps:
            return 0
        if len(self._steps) < _MIN_STEPS:
            return None
        seconds = (config.values.steps - step) * median(self._steps)
        for pause, durations in self._pauses.items():
            if durations:
                seconds += _LEFT[pause](config, step) * median_low(durations)
        return round(seconds)

    def state(self) -> dict[str, Any]:
        return {pause.value: list(durations) for pause, durations in self._pauses.items()}

    def restore(self, state: dict[str, Any]) -> None:
        for pause, durations in self._pauses.items():
            durations.extend(state.get(pause.value, []))
