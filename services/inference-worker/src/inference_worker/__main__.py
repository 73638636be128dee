"""The inference worker: loads its model and runs it once, then polls.

Run it with `python -m inference_worker`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.worker import Worker

from inference_worker.activities import LocalInference
from inference_worker.adjusting.activities import PictureAdjusting
from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.background_removal.activities import BackgroundRemover
from inference_worker.backgrounds.activities import BackgroundFixing
from inference_worker.backgrounds.fixer import BackgroundFixer
from inference_worker.checks.metrics import Metrics
from inference_worker.engine_thread import EngineThread
from inference_worker.fixer_activities import LocalFixers
from inference_worker.loading import load_engine
from inference_worker.lora.conversion.activities import LoraConverter
from inference_worker.lora.files import LoraFiles
from inference_worker.picture_files import PictureFiles
from inference_worker.pipelines.device import reserved_vram_bytes
from inference_worker.settings import EngineKind, InferenceSettings
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.contracts.enums import TaskQueue
from shared.progress import Executant, ProgressReporter
from shared.settings import (
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


def build_worker(
    client: Client,
    activities: LocalInference,
    fixers: LocalFixers,
    settings: WorkerSettings,
    *,
    slots: int,
) -> Worker:
    """The worker of the `inference` queue: activities alone, `slots` at a time."""
    return Worker(
        client,
        task_queue=TaskQueue.INFERENCE,
        activities=[
            activities.generate_image,
            activities.edit_image,
            activities.refine_image,
            fixers.enhance_faces,
            fixers.enhance_details,
        ],
        max_concurrent_activities=settings.max_concurrent_activities or slots,
        **worker_options(settings),
    )


def build_cpu_worker(
    client: Client, activities: Sequence[Callable[..., Any]], settings: WorkerSettings
) -> Worker:
    """The worker of the `inference-cpu` queue: what needs no GPU, beside the model's worker."""
    return Worker(
        client,
        task_queue=TaskQueue.INFERENCE_CPU,
        activities=activities,
        max_concurrent_activities=_CPU_SLOTS,
        **worker_options(settings),
    )


async def main() -> None:
    """Run until SIGTERM."""
    set_up_logging(LogSettings(), service=_SERVICE)
    settings, worker_settings = InferenceSettings(), WorkerSettings()
    identity = process_identity(_SERVICE)
    engine = load_engine(settings, ModelSettings())
    engine.warm_up()
    objects = S3ObjectStore(StorageSettings())
    loras = LoraFiles(objects, settings.lora_cache_dir, settings.lora_disk_bytes)
    reporter = ProgressReporter(
        ProgressSettings(),
        executor_instance=identity,
        executor_type=_SERVICE,
        vram_bytes=reserved_vram_bytes,
    )
    executant = Executant(executor_instance=identity, executor_type=_SERVICE)
    client = await connect(TemporalSettings(), identity=identity, metrics=MetricsSettings())
    with (
        ThreadPoolExecutor(1, thread_name_prefix="engine") as engine_thread,
        ThreadPoolExecutor(settings.cpu_threads, thread_name_prefix="cpu") as cpu,
    ):
        vision = VisionSettings()
        models = VisionModels(vision)
        on_engine = EngineThread(engine, engine_thread)
        metrics = Metrics(settings.metrics_dir, settings.device)
        activities = LocalInference(
            engine=on_engine,
            cpu=cpu,
            objects=objects,
            loras=loras,
            progress=reporter,
            executant=executant,
            settings=settings,
            people=models,
            metrics=metrics,
            check=OutputCheck(vision, models),
        )
        fixers = LocalFixers(
            engine=on_engine,
            cpu=cpu,
            objects=objects,
            progress=reporter,
            executant=executant,
            settings=settings,
            people=models,
            metrics=metrics,
        )
        # Two on one engine: the second fetches and stores its pictures while the first computes.
        slots = 2 if settings.engine is EngineKind.FLUX else 8
        worker = build_worker(client, activities, fixers, worker_settings, slots=slots)
        remover = BackgroundRemover(
            models=models,
            cpu=cpu,
            objects=objects,
            progress=reporter,
            executant=executant,
            max_input_pixels=settings.max_input_pixels,
        )
        pictures = PictureFiles(objects, cpu, max_pixels=settings.max_input_pixels)
        adjuster = ImageAdjuster(
            lambda: models.subjects, max_output_pixels=settings.max_output_pixels
        )
        adjusting = PictureAdjusting(adjuster, pictures, reporter, executant)
        fixer = BackgroundFixer(lambda: models.persons)
        fixing = BackgroundFixing(fixer, pictures, reporter, executant)
        cpu_activities = [
            LoraConverter(objects).convert_lora,
            adjusting.adjust_image,
            fixing.fix_background,
            remover.remove_backgrounds,
        ]
        cpu_worker = build_cpu_worker(client, cpu_activities, worker_settings)
        await run_until_stopped([worker, cpu_worker], worker_settings, reporter.run())
    loras.close()
    objects.close()


if __name__ == "__main__":
    uvloop.run(main())
