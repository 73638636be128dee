"""The training worker process: `python -m training_worker`. It polls the queue `training`.

It trains one model at a time. torch is imported with the first training: an idle worker is small.
"""

from concurrent.futures import ThreadPoolExecutor

import uvloop
from temporalio.worker import Worker

from shared.contracts.enums import TaskQueue
from shared.own_folder import own_folder
from shared.progress import ExecutorIdentity, ProgressReporter
from shared.settings import (
    LogSettings,
    MetricsSettings,
    ModelSettings,
    ProgressSettings,
    StorageSettings,
    TemporalSettings,
    TrainingSettings,
)
from shared.storage.s3 import S3ObjectStore
from shared.telemetry.logs import set_up_logging
from shared.temporal.client import connect
from shared.temporal.identity import process_identity
from shared.temporal.worker import WorkerSettings, run_until_stopped, worker_options
from training_worker.activities.training import LocalTraining
from training_worker.resources import Resources
from training_worker.settings import TrainerSettings

_SERVICE = "training-worker"


async def main() -> None:
    """Run until SIGTERM."""
    set_up_logging(LogSettings(), service=_SERVICE)
    worker_settings = WorkerSettings()
    executant = ExecutorIdentity(process_identity(_SERVICE), _SERVICE)
    reporter = ProgressReporter(ProgressSettings(), **vars(executant))
    objects = S3ObjectStore(StorageSettings())
    client = await connect(
        TemporalSettings(), identity=executant.executor_instance, metrics=MetricsSettings()
    )
    with (
        ThreadPoolExecutor(1, thread_name_prefix="training") as thread,
        own_folder(f"sartiq-{_SERVICE}") as folder,
    ):
        resources = Resources(
            objects=objects,
            progress=reporter,
            settings=TrainerSettings(),
            trainings=TrainingSettings(),
            model=ModelSettings(),
            folder=folder,
        )
        activities = LocalTraining(resources, executant, thread)
        worker = Worker(
            client,
            task_queue=TaskQueue.TRAINING,
            activities=[activities.train_lora, activities.train_model],
            max_concurrent_activities=1,
            **worker_options(worker_settings),
        )
        await run_until_stopped([worker], worker_settings, reporter.run())
    objects.close()


if __name__ == "__main__":
    uvloop.run(main())
