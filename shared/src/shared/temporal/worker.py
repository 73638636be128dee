"""The life of a worker process: poll, say so, and drain on SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.worker import Worker

_log = structlog.stdlib.get_logger(__name__)

MAX_HEARTBEAT_THROTTLE = timedelta(seconds=1)
"""Cancellation rides on answers to heartbeats: this bounds how late it can be."""


class WorkerSettings(BaseSettings):
    """What every worker process has in common."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_WORKER_", frozen=True)

    ready_file: Path | None = None
    """File that is written once the worker polls; none: nothing is written."""
    drain_timeout_s: float = Field(default=8, gt=0)
    """How long running activities may go on after SIGTERM before they are told to stop."""
    max_concurrent_activities: int = Field(default=0, ge=0)
    """Activities at a time; 0: the worker's own default."""


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
        _log.info("worker_polling", queues=[worker.task_queue for worker in workers])
        await stop.wait()
        _log.info("worker_draining")
    for helper in helpers:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)
    _log.info("worker_stopped")
