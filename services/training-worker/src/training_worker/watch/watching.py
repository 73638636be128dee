"""All side concerns of a run beside its saves, composed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import UUID

from shared.cancellation import NEVER, CancelFlag
from shared.contracts.progress import TrainingProgress
from training_worker.loop.callbacks import Callback
from training_worker.watch.alarms import Alarms
from training_worker.watch.curve import LossCurve
from training_worker.watch.eta import Pace
from training_worker.watch.files import FileList, Files, training_key
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog
from training_worker.watch.log_keeping import LogKeeping
from training_worker.watch.progress import ProgressReports, Sources
from training_worker.watch.sampler import Sampler, SamplerOutlets
from training_worker.watch.tensorboard import TensorBoardFiles


@dataclass(frozen=True)
class WatchSettings:
    """The surroundings of a run that is watched.

    Attributes:
        training_id: the training.
        files: the object store.
        sample_side_px: width and height of samples: the model's native side.
        scratch: an empty folder of this attempt on the disk.
        report: takes progress reports.
        earlier_log: lines of the log before training.
        checkpoint_step: returns the step of the newest stored resume state.
        cancel: checked while samples are made.
        clock: returns seconds; only differences matter.
    """

    training_id: UUID
    files: Files
    sample_side_px: int
    scratch: Path
    report: Callable[[TrainingProgress], None]
    earlier_log: Sequence[str] = ()
    checkpoint_step: Callable[[], int | None] = lambda: None
    cancel: CancelFlag = NEVER
    clock: Callable[[], float] = field(default=time.monotonic)


@dataclass(frozen=True)
class Watch:
    """The side concerns of a run.

    Attributes:
        measuring: callbacks that run before the step is saved: their state is part of the save.
        showing: callbacks that run after it: a step is saved before its samples are made.
        sources: the parts that the record shows; `files` and `log` are for other rooms too.
        reports: makes progress reports, and the figures of the result.
    """

    measuring: Sequence[Callback]
    showing: Sequence[Callback]
    sources: Sources
    reports: ProgressReports

    @classmethod
    def of(cls, settings: WatchSettings) -> Self:
        """Compose the parts, and continue the log of earlier attempts.

        Raises:
            StorageError: the log cannot be read.
        """
        folder = training_key(settings.training_id, "").rstrip("/")
        log_key = training_key(settings.training_id, "log.txt")
        files, log, pace = FileList(settings.files), TrainingLog(), Pace(settings.clock)
        log.open(files, log_key, settings.earlier_log)
        alarms = Alarms(log)
        held_out = HeldOutLoss(log, alarms)
        curve = LossCurve(files, folder, held_out, log)
        sampler = Sampler(
            SamplerOutlets(files, log, alarms, pace),
            folder,
            side_px=settings.sample_side_px,
            facts={"training_id": str(settings.training_id)},
            cancel=settings.cancel,
        )
        sources = Sources(
            files=files,
            log=log,
            log_path=log_key,
            alarms=alarms,
            pace=pace,
            held_out=held_out,
            curve=curve,
            sampler=sampler,
            checkpoint_step=settings.checkpoint_step,
        )
        reports = ProgressReports(settings.training_id, sources, settings.report, settings.clock)
        return cls(
            measuring=[pace, held_out, curve],
            showing=[
                sampler,
                TensorBoardFiles(files, folder, settings.scratch, held_out, log),
                LogKeeping(log, files, log_key, settings.clock),
                reports,
            ],
            sources=sources,
            reports=reports,
        )
