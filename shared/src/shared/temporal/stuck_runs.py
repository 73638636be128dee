"""Runs that stand still, since their workflow task fails again and again, and the slots they share.

Such a run is tried anew for ever, in silence. Enough of them take the slots of all others.
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
_STANDING = (
    "ExecutionStatus = 'Running'"
    f" AND TaskQueue IN ('{TaskQueue.WORKFLOWS}', '{TaskQueue.WEBHOOKS}')"
    f" AND TemporalReportedProblems IN ({_PROBLEMS})"
)
"""Temporal marks a run whose workflow task has failed five times in a row, until it succeeds."""


@dataclass(frozen=True)
class StuckRuns:
    """How much stands still, and how much room is left.

    Attributes:
        num_runs: runs whose workflow task keeps failing.
        num_slots: workflow tasks that the workers can do at a time.
        num_used: how many of those are taken.
    """

    num_runs: int
    num_slots: int
    num_used: int


async def count_stuck_runs(client: Client) -> StuckRuns:
    """Ask Temporal.

    Raises:
        TemporalDownError: it does not answer, or knows no such runs: its server is older than 1.30.
    """
    try:
        count = await client.count_workflows(_STANDING, rpc_timeout=RPC_TIMEOUT)
    except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client's first connection
        raise TemporalDownError(str(error)) from error
    workers = [w for w in await live_workers(client) if w.queue is TaskQueue.WORKFLOWS]
    return StuckRuns(
        num_runs=count.count,
        num_slots=sum(worker.num_slots for worker in workers),
        num_used=sum(worker.num_used for worker in workers),
    )


async def publish_stuck_runs(client: Client) -> None:
    """Keep a gauge of the runs that stand still among this process's metrics, for ever."""
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
