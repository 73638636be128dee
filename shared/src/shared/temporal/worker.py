"""The life of a worker process: poll, say so, and drain on SIGTERM or SIGINT."""

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
"""Cancellation rides on answers to heartbeats: this bounds how late it can be."""


class WorkerSettings(BaseSettings):
    """What every worker process has in common."""

    model_config = SettingsConfigDict(
        env_prefix="SARTIQ_WORKER_", frozen=True, populate_by_name=True
    )

    ready_file: Path | None = None
    """File that is written once the worker polls; none: nothing is written."""
    drain_timeout_s: float = Field(default=8, gt=0)
    """How long running activities may go on after SIGTERM before they are told to stop."""
    max_concurrent_activities: int = Field(default=0, ge=0)
    """Activities at a time; 0: the worker's own default."""
    deployment_name: str = Field(
        default="",
        pattern="^[^.:]*$",
        validation_alias=AliasChoices("SARTIQ_WORKER_DEPLOYMENT_NAME", "TEMPORAL_DEPLOYMENT_NAME"),
    )
    """Worker deployment that this process is a version of, one a kind of worker; with build_id it
    switches versioning on: the worker gets work only once `python -m workflows.versions` (or
    Temporal's worker controller) has made its version current. Empty: off."""
    build_id: str = Field(
        default="",
        validation_alias=AliasChoices("SARTIQ_WORKER_BUILD_ID", "TEMPORAL_WORKER_BUILD_ID"),
    )
    """Which build this is, such as the image's tag."""

    @model_validator(mode="after")
    def _version_is_whole(self) -> Self:
        if bool(self.deployment_name) != bool(self.build_id):
            raise ValueError(
                "SARTIQ_WORKER_DEPLOYMENT_NAME and SARTIQ_WORKER_BUILD_ID need each other"
                " (or TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID)"
            )
        return self

    @property
    def version(self) -> WorkerDeploymentVersion | None:
        """The version that this process is; none: it is not versioned."""
        if not self.build_id:
            return None
        return WorkerDeploymentVersion(deployment_name=self.deployment_name, build_id=self.build_id)


class WorkerOptions(TypedDict):
    """Arguments of `temporalio.worker.Worker` that are the same for all of ours."""

    interceptors: list[Interceptor]
    graceful_shutdown_timeout: timedelta
    max_heartbeat_throttle_interval: timedelta
    deployment_config: WorkerDeploymentConfig | None


def worker_options(settings: WorkerSettings) -> WorkerOptions:
    """What every worker is built with: `Worker(…, **worker_options(settings))`."""
    version = settings.version
    return WorkerOptions(
        interceptors=[ErrorInterceptor()],
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout_s),
        max_heartbeat_throttle_interval=MAX_HEARTBEAT_THROTTLE,
        deployment_config=version
        and WorkerDeploymentConfig(
            version=version,
            use_worker_versioning=True,
            # Long runs move on instead: their starts say so (`workflows.versioning`).
            default_versioning_behavior=VersioningBehavior.PINNED,
        ),
    )


async def run_until_stopped(
    workers: list[Worker], settings: WorkerSettings, *background: Coroutine[Any, Any, None]
) -> None:
    """Poll until SIGTERM or SIGINT, then let what runs end within the drain timeout.

    Args:
        workers: pollers to run side by side.
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
