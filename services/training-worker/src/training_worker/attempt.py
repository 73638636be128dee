"""One attempt at a training: from its dataset, or its last state, to a LoRA in the store.

Runs on a thread of its own, and reads and writes objects through the event loop of the process.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from shared.cancellation import CancelFlag, Cancelled
from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import DatasetManifest
from shared.contracts.enums import TrainingStatus
from shared.contracts.error_text import one_line
from shared.contracts.progress import TrainingProgress
from shared.contracts.training import TrainedLora, TrainingMetrics, TrainModel
from shared.errors import InvalidInputError, StorageError
from shared.flux.device import choose_device, choose_dtype
from training_worker.dataset.cache import TensorCache
from training_worker.dataset.encoded import encode_dataset
from training_worker.dataset.files import read_manifest
from training_worker.export.result import Origin, ResultWriter
from training_worker.failures import client_error
from training_worker.loop.callbacks import Callback
from training_worker.loop.config import LoopConfig
from training_worker.loop.memory import collect_garbage
from training_worker.loop.trainer import Trainer
from training_worker.model.base import BaseModel, open_base_model
from training_worker.model.lora_model import LoraModel
from training_worker.model.sources import base_model_source
from training_worker.resources import Resources
from training_worker.state.attempts import Attempts
from training_worker.state.kept_saves import KeptSaves
from training_worker.state.moments import Moments
from training_worker.state.objects import LoopObjects
from training_worker.state.resume_saver import ResumeSaver
from training_worker.state.resume_states import ResumeStates
from training_worker.state.snapshot import Snapshot, restore
from training_worker.state.uploads import Uploads
from training_worker.watch.log import utc_now
from training_worker.watch.watching import Watch, WatchSettings

_MAX_FILES = 1000
"""Files of one report."""


@dataclass(frozen=True)
class TrainingJob:
    """An attempt to be made.

    Attributes:
        request: the activity's message.
        resources: of the process.
        folder: an empty one for this attempt's files.
        loop: runs the object store.
        show: takes a summary in Markdown, for the Temporal UI.
    """

    request: TrainModel
    resources: Resources
    folder: Path
    loop: asyncio.AbstractEventLoop
    show: Callable[[str], None]


@dataclass(frozen=True)
class TrainingResult:
    """A trained LoRA, and what the record shows of its training."""

    lora: TrainedLora
    step: int
    metrics: TrainingMetrics
    logs: str
    files: list[StoredFile]
    warnings: list[str]


def run_attempt(job: TrainingJob, cancel: CancelFlag) -> TrainingResult:
    """Train until the end, or until the flag is set.

    Raises:
        Cancelled: the flag was set; the state of the last whole step is stored.
        InvalidInputError: the dataset, the base model or a hyperparameter cannot be used, or the
            training diverged.
        ResourceError: memory or the disk ran out, or attempts get no further.
        StorageError: the object store failed for too long.
        PlatformError: the base model cannot be loaded.
    """
    attempt = _Attempt(job, cancel)
    try:
        attempt.begin()
        result = attempt.train()
    except Cancelled:
        attempt.withdraw()
        raise
    except Exception as error:
        told = client_error(error)
        attempt.fail(told)
        if told is error:
            raise
        raise told from error
    return result


class _Attempt:
    """The parts of an attempt, in the order in which they are needed."""

    def __init__(self, job: TrainingJob, cancel: CancelFlag) -> None:
        self._job = job
        self._cancel = cancel
        self._request = job.request
        self._config = LoopConfig(job.request.hyperparameters, job.request.trigger_word)
        self._objects = LoopObjects(job.resources.objects, job.loop)
        self._attempts = Attempts(self._objects, job.request.training_id)
        self._states = ResumeStates(self._objects, job.request.training_id, job.folder / "resume")
        self._uploads = Uploads()
        self._trainer: Trainer | None = None
        self._watch = Watch.of(
            WatchSettings(
                training_id=job.request.training_id,
                files=self._objects,
                sample_side_px=self._side_px,
                scratch=job.folder,
                report=job.resources.progress.report_training,
                earlier_log=job.request.log,
                checkpoint_step=self._checkpoint_step,
                cancel=cancel,
            )
        )
        self._log = self._watch.sources.log
        self._snapshot: Snapshot | None = None

    @property
    def _side_px(self) -> int:
        """Width and height of samples: the greatest training resolution."""
        resolutions = self._config.values.resolutions
        return max(resolutions) if resolutions else self._job.resources.model.native_side_px

    def _checkpoint_step(self) -> int | None:
        return self._trainer.saved_step if self._trainer else None

    def begin(self) -> None:
        """Read the newest state, and count this attempt against it."""
        collect_garbage()  # the model of the last training, which this process may still hold
        if threads := self._job.resources.settings.torch_threads:
            torch.set_num_threads(threads)
        self._snapshot = self._states.newest()
        self._attempts.begin(self._snapshot.step if self._snapshot else 0)

    def train(self) -> TrainingResult:
        """Prepare everything, train, and store the result."""
        manifest, archive = self._dataset()
        base = self._base_model()
        model = LoraModel(base, self._config.values)
        self._say_what_has_no_effect(base)
        cache = self._cache(base)
        dataset = encode_dataset(manifest, archive, base, cache, cancel=self._cancel)
        trainer = Trainer(model, dataset, self._config, say=self._log.warning)
        if self._snapshot is not None:
            self._log.info(restore(trainer, self._snapshot))
            self._snapshot = None  # as large as the training's own state
        self._trainer = trainer
        result = ResultWriter(self._origin(manifest), self._objects, self._job.folder)
        with self._uploads:
            trainer.fit(self._callbacks(trainer, result), self._cancel)
            prompt = self._request.trigger_word
            lora = result.store(trainer, self._uploads, prompt=prompt, side_px=self._side_px)
        self._log.info(f"stored as {lora.stem}, SHA-256 {lora.sha256}")
        self._store_log()
        return TrainingResult(
            lora=lora,
            step=trainer.step,
            metrics=self._watch.reports.metrics(trainer),
            logs=self._log.end,
            files=self._watch.sources.files.stored,
            warnings=self._watch.sources.alarms.lines,
        )

    def withdraw(self) -> None:
        """Take back this attempt's count: it was told to stop."""
        self._attempts.withdraw()
        self._log.info("stopped; the last state is kept")
        self._store_log()
        self._report_log()

    def fail(self, error: Exception) -> None:
        """Keep the cause for the log and for the last attempt's message.

        An attempt that the store has ended does not count: the next one may find it well.
        """
        self._log.error(one_line(error))
        self._store_log()
        self._report_log()
        if isinstance(error, StorageError):
            self._attempts.withdraw()
        else:
            self._attempts.failed(error)

    def _report_log(self) -> None:
        """Report the log, which was stored after the loop's last report."""
        trainer = self._trainer
        report = TrainingProgress(
            training_id=self._request.training_id,
            stage=TrainingStatus.TRAINING,
            at=utc_now(),
            current_step=trainer.step if trainer else 0,
            logs=self._log.end,
            metrics=self._watch.reports.metrics(trainer) if trainer else None,
            files=self._watch.sources.files.take_unreported(_MAX_FILES),
        )
        self._job.resources.progress.report_training(report)

    def _dataset(self) -> tuple[DatasetManifest, Path]:
        folder = self._job.folder
        manifest_path, archive = folder / "manifest.json", folder / "images.zip"
        self._download(self._request.dataset_path, manifest_path)
        manifest = read_manifest(manifest_path)
        self._download(manifest.archive, archive)
        return manifest, archive

    def _download(self, key: str, path: Path) -> None:
        if not self._objects.download(key, path):
            raise InvalidInputError(f"the dataset is gone from storage: {key}", is_final=True)

    def _base_model(self) -> BaseModel:
        resources = self._job.resources
        source = base_model_source(
            self._request.base_model_path, resources.trainings, resources.model
        )
        device = choose_device(resources.settings.device)
        dtype = choose_dtype(resources.settings.dtype, device)
        return open_base_model(
            source, device=device, dtype=dtype, memory_bytes=resources.settings.memory_bytes
        )

    def _say_what_has_no_effect(self, base: BaseModel) -> None:
        bypasses = self._config.values.bypass_guidance_embedding
        if bypasses and not base.components.has_guidance_embeds:
            self._log.warning(
                f"bypass_guidance_embedding has no effect: {base.name} has no guidance embedding"
            )

    def _cache(self, base: BaseModel) -> TensorCache:
        settings = self._job.resources.settings
        return TensorCache(
            settings.cache_dir,
            base.components.device,
            memory_bytes=settings.cache_memory_bytes,
            disk_bytes=settings.cache_disk_bytes,
        )

    def _origin(self, manifest: DatasetManifest) -> Origin:
        return Origin(
            request=self._request,
            manifest=manifest,
            moments=Moments(self._objects, self._request.training_id),
        )

    def _callbacks(self, trainer: Trainer, result: ResultWriter) -> Sequence[Callback]:
        """Return the side concerns in their order: a step is saved before its samples are made."""
        watch, folder = self._watch, self._job.folder
        saves = KeptSaves(
            self._objects,
            self._uploads,
            self._request.training_id,
            folder / "saves",
            write=result.write,
            files=watch.sources.files,
            best_step=lambda: watch.sources.held_out.best_step,
        )
        stateful = [*watch.measuring, saves, *watch.showing]
        saver = ResumeSaver(trainer, self._states, self._uploads, stateful)
        return [*watch.measuring, saves, saver, *watch.showing, _Shown(self._watch, self._job.show)]

    def _store_log(self) -> None:
        self._log.store(self._watch.sources.files, self._watch.sources.log_path)


class _Shown(Callback):
    """Shows the newest summary in the Temporal UI."""

    def __init__(self, watch: Watch, show: Callable[[str], None]) -> None:
        self._watch = watch
        self._show = show

    def on_begin(self, trainer: object) -> None:
        self._show(self._watch.reports.summary)

    def on_step(self, trainer: object, result: object) -> None:
        self._show(self._watch.reports.summary)
