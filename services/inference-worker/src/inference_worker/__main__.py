"""The inference worker: loads its model, runs it once, and then polls its task queues.

Run it with `python -m inference_worker`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from inference_worker.activities.background_removal import BackgroundRemover
from inference_worker.activities.fixers import PictureFixers
from inference_worker.activities.inference import LocalInference
from inference_worker.activities.lora_conversion import LoraConverter
from inference_worker.activities.pictures import PictureActivities
from inference_worker.activities.preprocessing import DatasetPreparer
from inference_worker.activities.refinement import PictureRefiner
from inference_worker.activities.slots import ComputingLimit
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.loading import load_engine
from inference_worker.io.picture_files import PictureFiles
from inference_worker.lora.files import LoraFiles
from inference_worker.settings import EngineKind, InferenceSettings
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.contracts.enums import TaskQueue
from shared.flux.device import reserved_vram_bytes
from shared.own_folder import own_folder
from shared.progress import ExecutorIdentity, ProgressReporter
from shared.settings import (
    FairnessSettings,
    LogSettings,
    MetricsSettings,
    ModelSettings,
    ProgressSettings,
    StorageSettings,
    TemporalSettings,
)
from shared.storage.s3 import S3ObjectStore
from shared.telemetry.logs import set_up_logging
from shared.temporal.client import connect
from shared.temporal.identity import process_identity
from shared.temporal.worker import WorkerSettings, run_until_stopped, worker_options

_SERVICE = "inference-worker"
_CPU_SLOTS = 2
TILED_ACTIVITIES = frozenset({"refine_image", "enhance_faces", "enhance_details"})
"""Activities of the `inference-cpu` queue that mostly wait for a provider."""


@dataclass(frozen=True)
class WorkerResources:
    """Objects that the activities of a process share.

    Attributes:
        settings: this worker's.
        files: loads and stores pictures.
        reporter: receives the start and the progress of attempts.
        executant: this worker.
        models: find people and subjects in pictures.
        metrics: compare edits with their sources.
        upscalers: enlarge pictures before they are refined.
        check: decides which pictures of a generative model may be stored as outputs.
    """

    settings: InferenceSettings
    files: PictureFiles
    reporter: ProgressReporter
    executant: ExecutorIdentity
    models: VisionModels
    metrics: Metrics
    upscalers: Upscalers
    check: OutputCheck


def engine_activities(
    resources: WorkerResources, engine: EngineThread, loras: LoraFiles
) -> list[Callable[..., Any]]:
    """Return the activities of the `inference` queue, which need the model."""
    local = LocalInference(
        engine=engine,
        files=resources.files,
        loras=loras,
        progress=resources.reporter,
        executant=resources.executant,
        check=resources.check,
    )
    return [*_activities_of(local), *_tiled_activities(resources, engine)]


def _tiled_activities(
    resources: WorkerResources, engine: EngineThread | None
) -> list[Callable[..., Any]]:
    """Return the activities that edit tiles; without an engine, by a provider's model alone."""
    shared: dict[str, Any] = {
        "engine": engine,
        "files": resources.files,
        "progress": resources.reporter,
        "executant": resources.executant,
        "settings": resources.settings,
        "people": resources.models,
        "metrics": resources.metrics,
        "check": resources.check,
    }
    return _activities_of(
        PictureRefiner(**shared, upscalers=resources.upscalers), PictureFixers(**shared)
    )


def cpu_activities(
    resources: WorkerResources, folder: Path | None = None
) -> list[Callable[..., Any]]:
    """Return the activities of the `inference-cpu` queue, which need no model of the engine.

    Those that edit tiles let a provider's model do it.

    Args:
        resources: the process's shared objects.
        folder: for temporary files; None: the system's.
    """
    models, files = resources.models, resources.files
    reporting = (resources.reporter, resources.executant)
    max_output_pixels = resources.settings.max_output_pixels
    computing = _activities_of(
        LoraConverter(files.objects, folder),
        PictureActivities(models, files, *reporting, max_output_pixels=max_output_pixels),
        BackgroundRemover(models, files, *reporting),
    )
    return [*computing, *_tiled_activities(resources, engine=None)]


def preprocessing_activities(
    resources: WorkerResources, model: ModelSettings, folder: Path | None = None
) -> list[Callable[..., Any]]:
    """Return the activities of the `preprocessing` queue.

    Args:
        resources: the process's shared objects.
        model: the local model, whose native side is the default training resolution.
        folder: for temporary files; None: the system's.
    """
    return _activities_of(
        DatasetPreparer(
            resources.models,
            resources.files,
            resources.reporter,
            resources.executant,
            native_px=model.native_side_px,
            folder=folder,
        )
    )


def _activities_of(*holders: object) -> list[Callable[..., Any]]:
    """Return every activity that the contracts of some objects declare."""
    return [
        getattr(holder, name)
        for holder in holders
        for contract in type(holder).__mro__
        for name in sorted(getattr(contract, "__abstractmethods__", ()))
    ]


def build_worker(
    client: Client,
    queue: TaskQueue,
    activities: Sequence[Callable[..., Any]],
    settings: WorkerSettings,
    *,
    slots: int,
    interceptors: Sequence[Interceptor] = (),
) -> Worker:
    """Return a worker of activities alone, `slots` at a time."""
    options = worker_options(settings)
    options["interceptors"] = [*options["interceptors"], *interceptors]
    return Worker(
        client,
        task_queue=queue,
        activities=activities,
        max_concurrent_activities=slots,
        **options,
    )


async def main() -> None:
    """Run until SIGTERM."""
    set_up_logging(LogSettings(), service=_SERVICE)
    settings, worker_settings = InferenceSettings(), WorkerSettings()
    executant = ExecutorIdentity(process_identity(_SERVICE), _SERVICE)
    model = ModelSettings()
    engine = load_engine(settings, model)
    engine.warm_up()
    objects = S3ObjectStore(StorageSettings())
    loras = LoraFiles(objects, settings.lora_cache_dir, settings.lora_disk_bytes)
    reporter = ProgressReporter(
        ProgressSettings(), **vars(executant), vram_bytes=reserved_vram_bytes
    )
    client = await connect(
        TemporalSettings(),
        identity=executant.executor_instance,
        fairness=FairnessSettings(),  # of the edits that it starts
        metrics=MetricsSettings(),
    )
    vision = VisionSettings()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="engine") as engine_thread,
        ThreadPoolExecutor(settings.cpu_threads, thread_name_prefix="cpu") as cpu,
        own_folder(f"sartiq-{_SERVICE}") as folder,
    ):
        models = VisionModels(vision)
        resources = WorkerResources(
            settings,
            PictureFiles(objects, CpuThreads(cpu), max_pixels=settings.max_input_pixels),
            reporter,
            executant,
            models,
            Metrics(settings.metrics_dir, settings.device),
            Upscalers(vision),
            OutputCheck(vision, models),
        )
        on_engine = engine_activities(resources, EngineThread(engine, engine_thread), loras)
        on_cpu = cpu_activities(resources, folder)
        workers = _build_workers(client, worker_settings, settings, on_engine, on_cpu)
        workers.append(
            build_worker(
                client,
                TaskQueue.PREPROCESSING,
                preprocessing_activities(resources, model, folder),
                worker_settings,
                slots=settings.preprocessing_slots,
            )
        )
        await run_until_stopped(workers, worker_settings, reporter.run())
    loras.close()
    objects.close()


def _build_workers(
    client: Client,
    worker_settings: WorkerSettings,
    settings: InferenceSettings,
    on_engine: Sequence[Callable[..., Any]],
    on_cpu: Sequence[Callable[..., Any]],
) -> list[Worker]:
    """Return the workers of tasks, one for each task queue."""
    # Two on one engine: the second fetches and stores its pictures while the first computes.
    engine_slots = 2 if settings.engine is EngineKind.FLUX else 8
    return [
        build_worker(
            client,
            TaskQueue.INFERENCE,
            on_engine,
            worker_settings,
            slots=worker_settings.max_concurrent_activities or engine_slots,
        ),
        build_worker(
            client,
            TaskQueue.INFERENCE_CPU,
            on_cpu,
            worker_settings,
            slots=_CPU_SLOTS + settings.remote_slots,
            interceptors=[
                ComputingLimit(
                    _CPU_SLOTS, waiting=TILED_ACTIVITIES, most_waiting=settings.remote_slots
                )
            ],
        ),
    ]


if __name__ == "__main__":
    uvloop.run(main())
