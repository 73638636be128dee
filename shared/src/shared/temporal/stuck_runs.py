"""Stuck runs, whose workflow task fails again and again, and the worker slots that they use.

Temporal retries their workflow tasks forever and silently. Many of them can use up all slots.
"""

import asyncio
from dataclasses import dataclass

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from shared.contracts.enums import TaskQueue
from shared.temporal.queues import RPC_TIMEOUT, TemporalDownError, live_workers

_log = structlog.stdlib.get_logger(__name__)

_GAUGE = "sartiq_runs_standing_still"
_EVERY_S = 30
_PROBLEMS = "'category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut'"
_STUCK = (
    "ExecutionStatus = 'Running'"
    f" AND TaskQueue IN ('{TaskQueue.WORKFLOWS}', '{TaskQueue.WEBHOOKS}')"
    f" AND TemporalReportedProblems IN ({_PROBLEMS})"
)
"""Visibility query. Temporal marks a run whose workflow task failed five times in a row, until it
succeeds."""


@dataclass(frozen=True)
class StuckRuns:
    """The number of stuck runs, and the workflow task slots of the workers.

    Attributes:
        num_runs: runs whose workflow task keeps failing.
        num_slots: workflow tasks that the workers can run concurrently.
        num_used: slots in use.
    """

    num_runs: int
    num_slots: int
    num_used: int


async def count_stuck_runs(client: Client) -> StuckRuns:
    """Query Temporal for stuck runs and slots.

    Raises:
        TemporalDownError: it does not respond, or its server is older than 1.30 and does not mark
            stuck runs.
    """
    try:
        count = await client.count_workflows(_STUCK, rpc_timeout=RPC_TIMEOUT)
    except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client's first connection
        raise TemporalDownError(str(error)) from error
    workers = [w for w in await live_workers(client) if w.queue is TaskQueue.WORKFLOWS]
    return StuckRuns(
        num_runs=count.count,
        num_slots=sum(worker.num_slots for worker in workers),
        num_used=sum(worker.num_used for worker in workers),
    )


async def publish_stuck_runs(client: Client) -> None:
    """Update a gauge of stuck runs in this process's metrics, until cancelled."""
    runtime = client.service_client.config.runtime
    assert runtime is not None, "`connect` gives every client one"
    meter = runtime.metric_meter.with_additional_attributes({"namespace": client.namespace})
    gauge = meter.create_gauge(_GAUGE, "Runs whose workflow task keeps failing")
    while True:
        try:
            gauge.set((await count_stuck_runs(client)).num_runs)
        except TemporalDownError as error:
            _log.warning("standstill_unknown", error=str(error))
        await asyncio.sleep(_EVERY_S)
