"""Lifecycle of a worker process: poll, signal readiness, drain on SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypedDict

import structlog
from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig

from shared.temporal.errors import ErrorInterceptor

_log = structlog.stdlib.get_logger(__name__)

MAX_HEARTBEAT_THROTTLE = timedelta(seconds=1)
"""Cancellations arrive with responses to heartbeats: this limits their delay."""


class WorkerSettings(BaseSettings):
    """Settings of all worker processes."""

    model_config = SettingsConfigDict(
        env_prefix="SARTIQ_WORKER_", frozen=True, populate_by_name=True
    )

    ready_file: Path | None = None
    """File that is written when the worker starts polling. None: no file."""
    drain_timeout_s: float = Field(default=8, gt=0)
    """Seconds that running activities have after SIGTERM before they are cancelled."""
    max_concurrent_activities: int = Field(default=0, ge=0)
    """Maximal number of concurrent activities. 0: the worker's default."""
    deployment_name: str = Field(
        default="",
        pattern="^[^.:]*$",
        validation_alias=AliasChoices("SARTIQ_WORKER_DEPLOYMENT_NAME", "TEMPORAL_DEPLOYMENT_NAME"),
    )
    """Worker deployment of this process, one for each kind of worker. Together with build_id it
    enables versioning: the worker gets tasks only after `python -m workflows.versions` (or
    Temporal's worker controller) has made its version current. Empty: no versioning."""
    build_id: str = Field(
        default="",
        validation_alias=AliasChoices("SARTIQ_WORKER_BUILD_ID", "TEMPORAL_WORKER_BUILD_ID"),
    )
    """Build ID of this process, such as the image's tag."""

    @model_validator(mode="after")
    def _check_version(self) -> Self:
        if bool(self.deployment_name) != bool(self.build_id):
            raise ValueError(
                "set both SARTIQ_WORKER_DEPLOYMENT_NAME and SARTIQ_WORKER_BUILD_ID, or neither"
                " (or TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID)"
            )
        return self

    @property
    def version(self) -> WorkerDeploymentVersion | None:
        """The version of this process; none: not versioned."""
        if not self.build_id:
            return None
        return WorkerDeploymentVersion(deployment_name=self.deployment_name, build_id=self.build_id)


class WorkerOptions(TypedDict):
    """Arguments of `temporalio.worker.Worker` that all workers share."""

    interceptors: list[Interceptor]
    graceful_shutdown_timeout: timedelta
    max_heartbeat_throttle_interval: timedelta
    deployment_config: WorkerDeploymentConfig | None


def worker_options(settings: WorkerSettings) -> WorkerOptions:
    """Return the arguments for `Worker(…, **worker_options(settings))`."""
    version = settings.version
    return WorkerOptions(
        interceptors=[ErrorInterceptor()],
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout_s),
        max_heartbeat_throttle_interval=MAX_HEARTBEAT_THROTTLE,
        deployment_config=version
        and WorkerDeploymentConfig(
            version=version,
            use_worker_versioning=True,
            # Long runs are auto-upgraded instead, as set at their start (`workflows.versioning`).
            default_versioning_behavior=VersioningBehavior.PINNED,
        ),
    )


async def run_until_stopped(
    workers: list[Worker], settings: WorkerSettings, *background: Coroutine[Any, Any, None]
) -> None:
    """Poll until SIGTERM or SIGINT, then let running work end within the drain timeout.

    Args:
        workers: workers to run concurrently.
        settings: ready file and drain timeout (the workers were built with the same timeout).
        background: coroutines that run as long as the workers do.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    helpers = [asyncio.create_task(work) for work in background]
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        if settings.ready_file:
            settings.ready_file.write_text("ready\n")
        version = settings.version.to_canonical_string() if settings.version else None
        queues = [worker.task_queue for worker in workers]
        _log.info("worker_polling", queues=queues, version=version)
        await stop.wait()
        _log.info("worker_draining")
    for helper in helpers:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)
    _log.info("worker_stopped")
