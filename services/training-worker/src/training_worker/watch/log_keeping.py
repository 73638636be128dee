"""Lines of a run's steps, and the store of its log."""

import time
from collections.abc import Callable

from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.watch.files import Files
from training_worker.watch.log import TrainingLog

_LINE_EVERY_S = 10.0
_STORE_EVERY_S = 30.0


class LogKeeping(Callback):
    """Writes a line of figures and stores the log, both at intervals.

    Args:
        log: of the training.
        files: of the training.
        key: of the log.
        clock: returns seconds; only differences matter.
    """

    def __init__(
        self,
        log: TrainingLog,
        files: Files,
        key: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._files = files
        self._key = key
        self._clock = clock
        self._told_at = self._stored_at = clock()

    def on_begin(self, trainer: Trainer) -> None:
        steps = trainer.config.values.steps
        begun = f"resumed after step {trainer.step}" if trainer.step else "begun"
        self._log.info(
            f"training {begun}: {steps} steps on {trainer.model.name}, {trainer.model.device.type},"
            f" {trainer.optimizer_used}, {len(trainer.dataset.items)} items"
        )
        self._store()

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        now = self._clock()
        if now - self._told_at >= _LINE_EVERY_S:
            self._tell(trainer, result)
        if now - self._stored_at >= _STORE_EVERY_S:
            self._store()

    def on_end(self, trainer: Trainer) -> None:
        self._log.info(f"training ended after step {trainer.step}")
        self._store()

    def on_stop(self, trainer: Trainer, error: BaseException) -> None:
        self._log.info(f"training stopped after step {trainer.step}")
        self._store()

    def _tell(self, trainer: Trainer, result: StepResult) -> None:
        self._told_at = self._clock()
        self._log.info(
            f"step {result.step} of {trainer.config.values.steps}: loss {result.loss:.4f}, gradient"
            f" {result.grad_norm:.3g}, learning rate {result.learning_rate:.3g},"
            f" {result.seconds:.3g} s"
        )

    def _store(self) -> None:
        self._stored_at = self._clock()
        self._log.store(self._files, self._key)
