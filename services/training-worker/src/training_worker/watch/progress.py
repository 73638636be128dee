"""Reports on a running training: the whole of what its record shows, at most once a second."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import TrainingProgress
from shared.contracts.training import TrainingMetrics
from shared.flux.device import reserved_vram_bytes
from shared.memory import resident_bytes
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.watch.alarms import Alarms
from training_worker.watch.curve import LossCurve
from training_worker.watch.eta import Pace
from training_worker.watch.files import FileList
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog, utc_now
from training_worker.watch.sampler import Sampler

_EVERY_S = 1.0
_MAX_FILES = 1000
_MAX_SAMPLES = 100


@dataclass(frozen=True)
class Sources:
    """The parts of a run that its record shows.

    Attributes:
        files: of the training.
        log: of the training.
        log_path: key of the stored log.
        alarms: of the training.
        pace: of its steps.
        held_out: its losses at fixed noise.
        curve: its losses.
        sampler: its samples.
        checkpoint_step: returns the step of the newest stored resume state.
    """

    files: FileList
    log: TrainingLog
    log_path: str
    alarms: Alarms
    pace: Pace
    held_out: HeldOutLoss
    curve: LossCurve
    sampler: Sampler
    checkpoint_step: Callable[[], int | None]


class ProgressReports(Callback):
    """Reports; the last callback, so that it shows what the others have made.

    Args:
        training_id: the training.
        sources: what is reported.
        report: takes a report, on the training thread; it may be lost.
        clock: returns seconds; only differences matter.
    """

    def __init__(
        self,
        training_id: UUID,
        sources: Sources,
        report: Callable[[TrainingProgress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._training_id = training_id
        self._sources = sources
        self._report = report
        self._clock = clock
        self._reported_at = -math.inf
        self._learning_rate: float | None = None
        self.summary = ""
        """The newest report as Markdown, for Temporal's UI."""

    def on_begin(self, trainer: Trainer) -> None:
        self._send(trainer)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        self._learning_rate = result.learning_rate
        if self._clock() - self._reported_at >= _EVERY_S:
            self._send(trainer)

    def on_end(self, trainer: Trainer) -> None:
        self._send(trainer)

    def on_stop(self, trainer: Trainer, error: BaseException) -> None:
        self._send(trainer)

    def metrics(self, trainer: Trainer) -> TrainingMetrics:
        """Return the figures of the moment."""
        sources = self._sources
        vram_bytes = reserved_vram_bytes()
        return TrainingMetrics(
            loss=_finite(sources.curve.recent_loss),
            held_out_loss=sources.held_out.held_out_loss,
            best_step=sources.held_out.best_step,
            learning_rate=self._learning_rate,
            it_per_s=sources.pace.steps_per_s,
            device=trainer.model.device.type,
            memory_bytes=resident_bytes() if vram_bytes is None else vram_bytes,
            base_model=trainer.model.name,
            optimizer_used=trainer.optimizer_used,
            last_checkpoint_step=sources.checkpoint_step(),
            sample_paths=sources.sampler.paths[-_MAX_SAMPLES:],
            contact_sheet_path=sources.sampler.sheet_path,
            loss_curve_path=sources.curve.path,
            log_path=sources.log_path,
            alarms=sources.alarms.lines,
        )

    def _send(self, trainer: Trainer) -> None:
        self._reported_at = self._clock()
        metrics = self.metrics(trainer)
        eta_seconds = self._sources.pace.eta_seconds(trainer.config, trainer.step)
        self.summary = _summary(trainer, metrics, eta_seconds)
        self._report(
            TrainingProgress(
                training_id=self._training_id,
                stage=TrainingStatus.TRAINING,
                at=utc_now(),
                current_step=trainer.step,
                eta_seconds=eta_seconds,
                logs=self._sources.log.end,
                metrics=metrics,
                files=self._sources.files.take_unreported(_MAX_FILES),
            )
        )


def _summary(trainer: Trainer, metrics: TrainingMetrics, eta_seconds: int | None) -> str:
    num_steps = trainer.config.values.steps
    done = trainer.step / num_steps if num_steps else 1
    rows = {
        "step": f"{trainer.step} of {num_steps} ({done:.0%})",
        "time left": None if eta_seconds is None else _duration(eta_seconds),
        "steps a second": _number(metrics.it_per_s),
        "loss": _number(metrics.loss),
        "held-out loss": _number(metrics.held_out_loss),
        "best step": metrics.best_step,
        "learning rate": _number(metrics.learning_rate),
        "last resume state": metrics.last_checkpoint_step,
        "samples": len(metrics.sample_paths) or None,
        "base model": metrics.base_model,
        "device": metrics.device,
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items() if value is not None]
    alarms = [f"- **{alarm}**" for alarm in metrics.alarms]
    return "\n".join(["| training | |", "|---|---|", *lines, "", *alarms]).strip()


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
