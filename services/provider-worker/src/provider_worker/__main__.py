"""The provider worker process: `python -m provider_worker`.

It polls the task queues of the providers that it has credentials for.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog
import uvloop
from temporalio.client import Client
from temporalio.worker import Worker

from provider_worker.activities import RemoteProviders
from provider_worker.adapters import Adapter
from provider_worker.downloads import MediaLimits
from provider_worker.media import MediaKeeper
from provider_worker.registry import KEY_VARIABLES, Parts, build_adapters
from provider_worker.shown_pictures import ShownPictures
from provider_worker.submission import Marks, longest_submission_s
from provider_worker.vision import vision_activities
from shared.contracts.enums import AnswerMode, TaskQueue
from shared.contracts.providers import PROVIDERS
from shared.progress import ExecutorIdentity, ProgressReporter
from shared.settings import (
    EgressSettings,
    LogSettings,
    MetricsSettings,
    ProgressSettings,
    StorageSettings,
    TemporalSettings,
)
from shared.storage.conditional_writes import honours_conditional_writes
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore
from shared.telemetry.logs import set_up_logging
from shared.temporal.client import connect
from shared.temporal.identity import process_identity
from shared.temporal.worker import WorkerSettings, run_until_stopped, worker_options

_log = structlog.stdlib.get_logger(__name__)

_SERVICE = "provider-worker"
_SLOTS = 200
"""Concurrent activities of each queue. Nearly all of them wait for a response."""


def build_worker(
    client: Client,
    queue: TaskQueue,
    activities: RemoteProviders,
    settings: WorkerSettings,
    *,
    others: Sequence[Callable[..., Any]] = (),
) -> Worker:
    """Build the worker of one provider's queue.

    Args:
        client: Temporal.
        queue: the provider's.
        activities: of tasks.
        settings: slots, drain timeout and version.
        others: further activities of this queue.
    """
    return Worker(
        client,
        task_queue=queue,
        activities=[
            activities.submit_work,
            activities.await_work,
            activities.withdraw_work,
            activities.recall_work,
            *others,
        ],
        max_concurrent_activities=settings.max_concurrent_activities or _SLOTS,
        **worker_options(settings),
    )


def _marks_of(objects: ObjectStore, adapter: Adapter) -> Marks:
    answers = {PROVIDERS[provider].answers for provider, _ in adapter.serves}
    is_at_once = AnswerMode.AT_ONCE in answers
    sending_s = longest_submission_s(adapter.submit_timeout_s, is_at_once=is_at_once)
    return Marks(objects, sending_s=sending_s)


async def main() -> int:
    """Run until SIGTERM, and return the exit code: 1 if no provider has credentials."""
    set_up_logging(LogSettings(), service=_SERVICE)
    objects = S3ObjectStore(StorageSettings())
    egress = EgressSettings()
    limits = MediaLimits()
    guard = egress.guard
    media = MediaKeeper(objects, guard, limits, places=egress.max_fetches)
    adapters = build_adapters(Parts(objects, media, limits.pictures))
    if not adapters:
        _log.error("no_provider_has_credentials", set_one_of=KEY_VARIABLES)
        return 1
    if not await honours_conditional_writes(objects):
        _log.error("store_ignores_conditional_writes", effect="paid work could be sent twice")
        return 1
    worker_settings = WorkerSettings()
    identity = process_identity(_SERVICE)
    reporter = ProgressReporter(
        ProgressSettings(), executor_instance=identity, executor_type=_SERVICE
    )
    client = await connect(TemporalSettings(), identity=identity, metrics=MetricsSettings())
    activities = RemoteProviders(
        adapters,
        marks=partial(_marks_of, objects),
        progress=reporter,
        executant=ExecutorIdentity(executor_instance=identity, executor_type=_SERVICE),
    )
    pictures = ShownPictures(objects, guard, limits.pictures, places=egress.max_fetches)
    workers = [
        build_worker(
            client,
            queue,
            activities,
            worker_settings,
            others=vision_activities(adapters, pictures) if queue is TaskQueue.PROVIDER_LLM else (),
        )
        for queue in sorted({adapter.queue for adapter in adapters})
    ]
    await run_until_stopped(workers, worker_settings, reporter.run())
    for adapter in adapters:
        await adapter.close()
    await media.close()
    objects.close()
    return 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
