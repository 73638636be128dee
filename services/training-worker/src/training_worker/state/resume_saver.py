"""The callback that saves resume states: by time, before samples, at a stop and at the end."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from shared.cancellation import Cancelled
from shared.errors import ResourceError, StorageError
from training_worker.loop import callbacks as protocol
from training_worker.loop.cadence import is_sample_step
from training_worker.loop.callbacks import Callback, StepResult
from training_worker.loop.trainer import Trainer
from training_worker.state.resume_states import ResumeStates
from training_worker.state.snapshot import capture
from training_worker.state.state_file import StateFile, write_state
from training_worker.state.uploads import Uploads

_log = structlog.stdlib.get_logger(__name__)

_LEAST_INTERVAL_S = 120.0
_STOP_WITHOUT_STORE_S = 10.0
"""Seconds that a stop waits for a store that fails; then the former state stands."""
_WRITE_SHARE = 20
"""A write may take a twentieth of the time."""


class ResumeSaver(Callback):
    """Saves resume states. It comes before the callbacks that make samples.

    Args:
        trainer: the training.
        states: where they go.
        uploads: uploads them while the training goes on.
        stateful: the callbacks whose states are saved too.
        now: a clock that never goes back, in seconds.
        interval_s: least time between two saves.
    """

    def __init__(
        self,
        trainer: Trainer,
        states: ResumeStates,
        uploads: Uploads,
        stateful: Sequence[Callback] = (),
        *,
        now: Callable[[], float] = time.monotonic,
        interval_s: float = _LEAST_INTERVAL_S,
    ) -> None:
        self._trainer = trainer
        self._states = states
        self._uploads = uploads
        self._stateful = stateful
        self._now = now
        self._least_interval_s = interval_s
        self._interval_s = interval_s
        self._written_at = now()
        self._written_step: int | None = None

    def on_begin(self, trainer: protocol.Trainer) -> None:
        self._written_step = trainer.saved_step
        self._written_at = self._now()

    def on_step(self, trainer: protocol.Trainer, result: StepResult) -> None:
        self._naming_the_last_state(self._uploads.check)
        makes_samples = is_sample_step(trainer.config, result.step)
        is_due = self._now() - self._written_at >= self._interval_s
        if makes_samples or is_due:
            self._save()

    def on_end(self, trainer: protocol.Trainer) -> None:
        self._save()
        self._naming_the_last_state(self._uploads.drain)

    def on_stop(self, trainer: protocol.Trainer, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            self._save()
        if not isinstance(error, StorageError):
            self._uploads.drain(_STOP_WITHOUT_STORE_S)

    def _naming_the_last_state(self, wait: Callable[[], None]) -> None:
        """Add to a failure of the store which state a later training could begin with."""
        try:
            wait()
        except StorageError as error:
            step = self._trainer.saved_step
            last = "none" if step is None else f"that of step {step}"
            raise StorageError(
                f"{error}. The last stored state is {last}", is_final=error.is_final
            ) from error

    def _save(self) -> None:
        """Write a state and queue its upload. A full disk is logged, and tried again later."""
        if self._written_step == self._trainer.step:
            return
        started = self._now()
        try:
            state = write_state(capture(self._trainer, self._stateful), self._states.folder)
        except ResourceError as error:
            _log.warning("resume_state_not_written", step=self._trainer.step, error=str(error))
        else:
            self._written_step = state.step
            discard = partial(state.path.unlink, missing_ok=True)
            self._uploads.submit("resume state", lambda: self._publish(state), discard)
        self._written_at = self._now()
        self._interval_s = max(self._least_interval_s, _WRITE_SHARE * (self._written_at - started))

    def _publish(self, state: StateFile) -> None:
        self._states.publish(state)
        self._trainer.saved_step = state.step
