"""The workflow worker: runs every workflow and writes the records. `python -m workflows.worker`."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import uvloop
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from shared.contracts.deliveries import DeliveryActivities
from shared.contracts.enums import TaskQueue
from shared.contracts.records import RecordActivities
from shared.db.announcements import announcing
from shared.db.session import create_engine, create_sessions
from shared.settings import (
    DatabaseSettings,
    EgressSettings,
    FairnessSettings,
    LogSettings,
    MetricsSettings,
    PictureLimits,
    StorageSettings,
    TemporalSettings,
    WebhookSettings,
)
from shared.storage.s3 import S3ObjectStore
from shared.telemetry.logs import set_up_logging
from shared.temporal.client import connect
from shared.temporal.identity import process_identity
from shared.temporal.stuck_runs import publish_stuck_runs
from shared.temporal.worker import WorkerSettings, run_until_stopped, worker_options
from shared.webhooks.keyring import Keyring
from shared.webhooks.vault import Vault
from workflows.activities.deliver import Courier
from workflows.activities.fetch_inputs import InputFetcher
from workflows.activities.reconcile import Reconciler
from workflows.activities.records import Records
from workflows.definitions.convert_lora import ConvertLora
from workflows.definitions.deliver_events import DeliverEvents
from workflows.definitions.edit_picture import EditPicture
from workflows.definitions.evaluate_image import EvaluateImage
from workflows.definitions.reconcile import Reconcile
from workflows.definitions.run_pipeline import RunPipeline
from workflows.definitions.run_task import RunTask
from workflows.definitions.run_training import RunTraining
from workflows.deliveries import Waker
from workflows.schedule import ReconcileSettings, ensure_schedule

WORKFLOWS = (
    RunTask,
    RunPipeline,
    RunTraining,
    EditPicture,
    EvaluateImage,
    ConvertLora,
    Reconcile,
    DeliverEvents,
)
"""All workflow definitions."""

_STICKY_TIMEOUT = timedelta(seconds=1)
"""Time that the server waits for a worker with a cached workflow before it asks another one."""


def build_worker(
    client: Client,
    records: RecordActivities,
    settings: WorkerSettings,
    *,
    others: Sequence[Callable[..., Any]] = (),
) -> Worker:
    """Build the worker of the `workflows` queue.

    Args:
        client: Temporal.
        records: local activities that write outcomes.
        settings: drain timeout and version.
        others: further activities of this queue, such as reconciling.
    """
    return Worker(
        client,
        task_queue=TaskQueue.WORKFLOWS,
        workflows=WORKFLOWS,
        activities=[
            records.admit_attempt,
            records.foreign_objects,
            records.pin_pictures,
            records.record_account,
            records.finish_task,
            records.finish_pipeline,
            records.record_dataset,
            records.finish_training,
            records.record_evaluation,
            *others,
        ],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=_STICKY_TIMEOUT,
        **worker_options(settings),
    )


def build_fetch_worker(client: Client, fetcher: InputFetcher, settings: WorkerSettings) -> Worker:
    """Build the worker of the `fetch` queue: slow image hosts block no other work.

    Args:
        client: Temporal.
        fetcher: the activity, and how many of it run at a time.
        settings: drain timeout and version.
    """
    return Worker(
        client,
        task_queue=TaskQueue.FETCH,
        activities=[fetcher.fetch_inputs],
        max_concurrent_activities=fetcher.slots,
        **worker_options(settings),
    )


def build_deliveries_worker(
    client: Client, courier: DeliveryActivities, settings: WorkerSettings, *, slots: int
) -> Worker:
    """Build the worker of the `webhooks` queue: slow receivers block no other work.

    Args:
        client: Temporal.
        courier: activities that call receivers.
        settings: drain timeout.
        slots: activities at a time.
    """
    return Worker(
        client,
        task_queue=TaskQueue.WEBHOOKS,
        workflows=[DeliverEvents],
        activities=[courier.deliver_pending],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=slots,
        sticky_queue_schedule_to_start_timeout=_STICKY_TIMEOUT,
        **worker_options(settings),
    )


async def main() -> None:
    """Run until SIGTERM."""
    set_up_logging(LogSettings(), service="workflow-worker")
    settings = WorkerSettings()
    webhooks = WebhookSettings()
    egress = EgressSettings()
    guard = egress.guard
    metrics = MetricsSettings()
    client = await connect(
        TemporalSettings(),
        identity=process_identity("workflow-worker"),
        fairness=FairnessSettings(),
        metrics=metrics,
    )
    database = DatabaseSettings()
    engine = create_engine(database, is_pinging=False)
    # Deliveries have their own connection pool, so that they never delay the records.
    own = database.model_copy(update={"pool_size": webhooks.db_connections})
    delivery_engine = create_engine(own, is_pinging=False)
    objects = S3ObjectStore(StorageSettings())
    waker = Waker(client)
    try:
        sessions = announcing(create_sessions(engine), waker)
        reconciler = Reconciler(client, sessions, objects)
        fetcher = InputFetcher(sessions, objects, guard, PictureLimits(), places=egress.max_fetches)
        worker = build_worker(
            client,
            Records(sessions),
            settings,
            others=[
                reconciler.reconcile_records,
                fetcher.link_objects,
                # For runs that started before the `fetch` queue existed.
                fetcher.fetch_inputs,
            ],
        )
        courier = Courier(
            create_sessions(delivery_engine),
            Keyring(Vault(webhooks)),
            guard,
            timeout_s=webhooks.timeout_s,
            places=webhooks.max_concurrent,
        )
        workers = [
            worker,
            build_fetch_worker(client, fetcher, settings),
            build_deliveries_worker(client, courier, settings, slots=courier.slots),
        ]
        await ensure_schedule(client, ReconcileSettings())
        background = [publish_stuck_runs(client)] if metrics.address else []
        await run_until_stopped(workers, settings, *background)
    finally:
        await waker.close()
        await guard.close()
        objects.close()
        await engine.dispose()
        await delivery_engine.dispose()


if __name__ == "__main__":
    uvloop.run(main())
