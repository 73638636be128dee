"""TensorBoard's event files of a training, where its settings ask for them."""

from pathlib import Path
from typing import Any

from shared.contracts.error_text import one_line
from shared.errors import StorageError
from training_worker.loop.cadence import is_check_step
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.watch.files import Files
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog

_CONTENT_TYPE = "application/octet-stream"


class TensorBoardFiles(Callback):
    """An event file for each attempt, stored at each check and at the end.

    A file's key has the step that its attempt began at, and no name of the machine. TensorBoard
    reads all files of the folder, and forgets what a resumed attempt computes again.

    Args:
        files: of the training.
        folder: prefix of its keys.
        scratch: an empty folder of this attempt on the disk.
        held_out: the losses at fixed noise.
        log: of the training.
    """

    def __init__(
        self, files: Files, folder: str, scratch: Path, held_out: HeldOutLoss, log: TrainingLog
    ) -> None:
        self._files = files
        self._folder = f"{folder}/tensorboard"
        self._scratch = scratch
        self._held_out = held_out
        self._log = log
        self._writer: Any = None
        self._key = ""

    def on_begin(self, trainer: Trainer) -> None:
        """Open the file if the settings ask for it, and the package is installed."""
        if not trainer.config.values.tensorboard:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 -- optional
        except ImportError as error:
            self._log.warning(
                f"no TensorBoard files ({one_line(error)}): install the package tensorboard on the"
                " training worker, or set `tensorboard` to false in SARTIQ_TRAINING_FURTHER"
            )
            return
        writer: Any = SummaryWriter
        self._writer = writer(str(self._scratch), purge_step=trainer.step or None)
        self._key = f"{self._folder}/events.out.tfevents.{trainer.step:09d}"
        self._write_check(trainer)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        if self._writer is None:
            return
        self._writer.add_scalar("loss/step", result.loss, result.step)
        self._writer.add_scalar("learning_rate", result.learning_rate, result.step)
        self._writer.add_scalar("grad_norm", result.grad_norm, result.step)
        if is_check_step(trainer.config, result.step):
            self._write_check(trainer)
            self._store()

    def on_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
            self._store()

    def _write_check(self, trainer: Trainer) -> None:
        checks = self._held_out.checks
        if checks and checks[-1].step == trainer.step:
            name = "loss/held_out" if self._held_out.is_held_out else "loss/fixed_noise"
            self._writer.add_scalar(name, checks[-1].loss, trainer.step)

    def _store(self) -> None:
        self._writer.flush()
        for path in self._scratch.glob("events.out.tfevents.*"):
            try:
                self._files.put(self._key, path.read_bytes(), _CONTENT_TYPE)
            except StorageError as error:
                self._log.warning(f"TensorBoard's file was not stored: {one_line(error)}")
