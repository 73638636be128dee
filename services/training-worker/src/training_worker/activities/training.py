"""The activities `train_lora` and `train_model`: a training on a thread, its result for the run."""

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio import activity

from shared.cancellation import CancelFlag, Cancelled
from shared.contracts.training import TrainedModel, TrainingActivities, TrainModel
from shared.errors import InvalidInputError
from shared.in_thread import run_in_thread
from shared.progress import ExecutorIdentity
from shared.temporal.heartbeat import Heartbeat
from training_worker.resources import Resources

if TYPE_CHECKING:
    from training_worker.attempt import TrainingResult


class LocalTraining(TrainingActivities):
    """Trainings on this worker, one at a time.

    A cancelled training, and one whose worker shuts down, ends its step and saves its state.

    Args:
        resources: shared by all trainings.
        executant: this worker.
        executor: a pool of one thread; nothing else runs on it.
    """

    def __init__(
        self, resources: Resources, executant: ExecutorIdentity, executor: Executor
    ) -> None:
        self._resources = resources
        self._executant = executant
        self._executor = executor

    @activity.defn(name="train_lora")
    async def train_lora(self, request: TrainModel) -> TrainedModel:
        started_at = datetime.now(UTC)
        async with Heartbeat() as heartbeat, _shutdown_flag() as shutdown:
            with tempfile.TemporaryDirectory(dir=self._resources.folder) as folder:
                result = await self._train(request, Path(folder), heartbeat, shutdown)
        return TrainedModel(
            **vars(self._executant),
            started_at=started_at,
            lora=result.lora,
            current_step=result.step,
            metrics=result.metrics,
            logs=result.logs,
            files=result.files,
            warnings=result.warnings,
        )

    @activity.defn(name="train_model")
    async def train_model(self, request: TrainModel) -> TrainedModel:
        raise InvalidInputError(
            "training_type: this version trains LoRAs; create the training with LORA", is_final=True
        )

    async def _train(
        self, request: TrainModel, folder: Path, heartbeat: Heartbeat, shutdown: CancelFlag
    ) -> "TrainingResult":
        loop = asyncio.get_running_loop()

        def work(cancel: CancelFlag) -> "TrainingResult":
            # Imports torch, which an idle worker does without.
            from training_worker.attempt import TrainingJob, run_attempt  # noqa: PLC0415

            def show(summary: str) -> None:
                heartbeat.details = (summary,)

            job = TrainingJob(request, self._resources, folder, loop, show)
            return run_attempt(job, _Either(cancel, shutdown))

        try:
            return await run_in_thread(self._executor, work)
        except Cancelled:
            # The worker shuts down: reported as a lost attempt, which is retried.
            raise asyncio.CancelledError from None


@dataclass(frozen=True)
class _Either:
    """A flag that is set if one of two is."""

    one: CancelFlag
    other: CancelFlag

    def is_set(self) -> bool:
        return self.one.is_set() or self.other.is_set()


@asynccontextmanager
async def _shutdown_flag() -> AsyncGenerator[CancelFlag]:
    """Yield a flag that is set once the worker shuts down: a training hands over at once."""
    flag = threading.Event()

    async def watch() -> None:
        await activity.wait_for_worker_shutdown()
        flag.set()

    watching = asyncio.create_task(watch())
    try:
        yield flag
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
