"""The processor time of a whole training activity, apart from its steps.

The real activity runs on a real Temporal worker, object store and progress reporter, with all its
callbacks. The time of the process between two steps is compared with the time of the steps within
the same run: what is left is ours, on every thread.

What happens once a second (heartbeats, reports, lines of the log) compares with the seconds of the
run, all else with its steps. Where a step has a processor to itself both are the same; where other
processes slow it down, more heartbeats than usual fall on one step.
"""

import asyncio
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from shared.contracts.datasets import DatasetManifest
from shared.contracts.enums import EntityType
from shared.contracts.owners import Owner
from shared.contracts.training import DEFAULT_BASE_MODEL, Hyperparameters, TrainModel
from shared.progress import ExecutorIdentity, ProgressReporter
from shared.settings import ModelSettings, ProgressSettings, TrainingSettings
from shared.storage.object_store import ObjectStore
from training_worker.activities.training import LocalTraining
from training_worker.loop.callbacks import Callback
from training_worker.loop.trainer import Trainer
from training_worker.resources import Resources
from training_worker.settings import TrainerSettings

QUEUE = "bench-training"
WARM_UP = 20
CHECKS = ("HeldOutLoss", "LossCurve")
_SAMPLER = "Sampler"
_TIMED_BY_CLOCK = ("ProgressReports", "LogKeeping")

_SINK = """
import http.server
class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""


@workflow.defn
class OneTraining:
    """A workflow of one training activity."""

    @workflow.run
    async def run(self, request: TrainModel) -> None:
        await workflow.execute_activity(
            LocalTraining.train_lora,
            request,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=2),
        )


@dataclass
class Ledger:
    """Seconds of one run: of the processor, unless said otherwise.

    Attributes:
        begun: of the process at the beginning of each step.
        begun_at: the wall clock then.
        sampled: wall time of each step's samples.
        steps: of the training thread within each step.
        parts: of the training thread within each callback, by the callback's name.
    """

    begun: list[float] = field(default_factory=list)
    begun_at: list[float] = field(default_factory=list)
    sampled: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def overhead(self, *left_out: str) -> float:
        """Return all but steps and samples as a share of the steps; some callbacks left out."""
        by_clock = self._other_threads_s + sum(self.part_s(name) for name in _TIMED_BY_CLOCK)
        others = set(self.parts) - {*_TIMED_BY_CLOCK, *left_out, _SAMPLER}
        by_step = sum(self.part_s(name) for name in others)
        return by_step / self._steps_s + by_clock / self._wall_s

    def part_s(self, name: str) -> float:
        """Return the seconds of a callback over the judged steps."""
        return sum(self.parts[name][WARM_UP:-1])

    def lines(self) -> list[str]:
        """Return a line for each part, the greatest first."""
        num = len(self.steps) - 1 - WARM_UP
        found = {name: self.part_s(name) for name in self.parts}
        found["other threads"] = self._other_threads_s
        ordered = sorted(found.items(), key=lambda item: -item[1])
        lines = [
            f"{name:<18} {1000 * seconds / num:7.3f} ms a step, {seconds / self._steps_s:6.2%}"
            for name, seconds in [("step", self._steps_s), *ordered]
        ]
        return [*lines, f"{self._steps_s / self._wall_s:.0%} of the seconds were steps"]

    @property
    def _steps_s(self) -> float:
        return sum(self.steps[WARM_UP:-1])

    @property
    def _other_threads_s(self) -> float:
        """Seconds outside the training thread's steps and callbacks."""
        whole = self.begun[-1] - self.begun[WARM_UP]
        return whole - self._steps_s - sum(self.part_s(name) for name in self.parts)

    @property
    def _wall_s(self) -> float:
        """Seconds of the run but for its samples."""
        return self.begun_at[-1] - self.begun_at[WARM_UP] - sum(self.sampled[WARM_UP:-1])


class _Timed(Callback):
    """A callback whose steps are timed."""

    def __init__(self, inner: Any, ledger: Ledger) -> None:
        self._inner = inner
        self._spent = ledger.parts[type(inner).__name__]
        self._walls = ledger.sampled if type(inner).__name__ == _SAMPLER else []
        self.state_key = getattr(inner, "state_key", "")

    def __getattribute__(self, name: str) -> Any:
        own = {"_inner", "_spent", "_walls", "state_key", "on_step", "__class__"}
        if name in own:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_inner"), name)

    def on_step(self, trainer: Any, result: Any) -> None:
        begun_s, begun_at = time.thread_time(), time.perf_counter()
        self._inner.on_step(trainer, result)
        self._spent.append(time.thread_time() - begun_s)
        self._walls.append(time.perf_counter() - begun_at)


@contextmanager
def recorded(ledger: Ledger) -> Generator[None]:
    """Record the times of every training that runs within the block."""
    train_step, fit = Trainer._train_step, Trainer.fit

    def timed_step(self: Trainer) -> Any:
        ledger.begun.append(time.process_time())
        ledger.begun_at.append(time.perf_counter())
        begun_s = time.thread_time()
        result = train_step(self)
        ledger.steps.append(time.thread_time() - begun_s)
        return result

    def timed_fit(self: Trainer, callbacks: Sequence[Any] = (), *others: Any) -> None:
        fit(self, [_Timed(callback, ledger) for callback in callbacks], *others)

    Trainer._train_step, Trainer.fit = timed_step, timed_fit  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainer._train_step, Trainer.fit = train_step, fit  # type: ignore[method-assign]


@contextmanager
def accepting_server() -> Generator[str]:
    """Yield the URL of a server, another process, that accepts every progress report."""
    with subprocess.Popen([sys.executable, "-c", _SINK], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


async def run_activity(
    client: Client,
    objects: ObjectStore,
    dataset: tuple[DatasetManifest, Path],
    values: Hyperparameters,
    folder: Path,
) -> Ledger:
    """Train once by the activity on a Temporal worker, and return its times."""
    request = await _request(objects, dataset, values)
    executant = ExecutorIdentity("training-worker@bench:1", "training-worker")
    ledger = Ledger()
    with accepting_server() as url, ThreadPoolExecutor(1) as thread, recorded(ledger):
        reporter = ProgressReporter(ProgressSettings(url=url), **vars(executant))
        resources = Resources(
            objects=objects,
            progress=reporter,
            settings=TrainerSettings(torch_threads=1, cache_dir=folder / "cache"),
            trainings=TrainingSettings(),
            model=ModelSettings(),
            folder=folder,
        )
        activities = LocalTraining(resources, executant, thread)
        reporting = asyncio.create_task(reporter.run())
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[OneTraining],
            activities=[activities.train_lora],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            await client.execute_workflow(
                OneTraining.run, request, id=str(request.training_id), task_queue=QUEUE
            )
        reporting.cancel()
    assert len(ledger.steps) == values.steps
    return ledger


async def _request(
    objects: ObjectStore, dataset: tuple[DatasetManifest, Path], values: Hyperparameters
) -> TrainModel:
    training_id = uuid.uuid4()
    manifest, archive = dataset
    prefix = f"trainings/{training_id}/dataset"
    stored = manifest.model_copy(update={"archive": f"{prefix}/images.zip"})
    await objects.put(stored.archive, archive.read_bytes(), "application/zip")
    content = stored.model_dump_json().encode()
    await objects.put(f"{prefix}/manifest.json", content, "application/json")
    return TrainModel(
        training_id=training_id,
        entity_type=EntityType.PRODUCT,
        trigger_word=manifest.captioning.trigger_word,
        base_model_path=DEFAULT_BASE_MODEL,
        dataset_path=f"{prefix}/manifest.json",
        folder="product",
        hyperparameters=values,
        owner=Owner(origin_instance="bench"),
    )
