"""Backlogs of task queues and live workers, as Temporal reports them.

A worker is alive while it sends heartbeats. Lists of workers and pollers are not enough: a killed
worker stays listed for five minutes.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType, WorkerStatus
from temporalio.api.taskqueue.v1 import TaskQueue as QueueName
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerRequest,
    ListWorkersRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from shared.contracts.enums import TaskQueue
from shared.temporal.client import WORKER_HEARTBEAT_EVERY

RPC_TIMEOUT = timedelta(seconds=5)
_BEATS_MISSED = 2.5
_PAGE_SIZE = 200
_AT_A_TIME = 20

_ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_WORKFLOWS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW


@dataclass(frozen=True)
class LiveWorker:
    """A worker of one queue, as of its last heartbeat. A process may have several."""

    identity: str
    """Identity of its process: `inference-worker@host:pid`."""
    queue: TaskQueue
    num_slots: int
    """Maximal number of concurrent tasks."""
    num_used: int
    num_processed: int
    """Tasks that it has ended since its start, successfully or not."""
    started_at: datetime
    beat_at: datetime


class TemporalDownError(Exception):
    """Temporal does not respond."""


async def backlogs(client: Client) -> dict[TaskQueue, int]:
    """Return the number of tasks that wait in each queue for a worker."""
    queried = [(queue, _ACTIVITIES) for queue in TaskQueue] + [(TaskQueue.WORKFLOWS, _WORKFLOWS)]
    async with _translating_errors():
        lengths = await asyncio.gather(*(_backlog(client, *queue) for queue in queried))
    found = dict.fromkeys(TaskQueue, 0)
    for (queue, _), length in zip(queried, lengths, strict=True):
        found[queue] += length
    return found


async def live_workers(client: Client) -> list[LiveWorker]:
    """Return the workers of the platform's queues that sent a recent heartbeat."""
    async with _translating_errors():
        keys = [key async for key in _listed(client)]
        limit = asyncio.Semaphore(_AT_A_TIME)

        async def heartbeat(key: str) -> WorkerHeartbeat | None:
            async with limit:
                return await _heartbeat(client, key)

        beats = await asyncio.gather(*(heartbeat(key) for key in keys))
    now = datetime.now(UTC)
    return [_live_worker(beat) for beat in beats if beat is not None and is_alive(beat, now)]


def is_alive(beat: WorkerHeartbeat, now: datetime) -> bool:
    """Return true if a worker runs and its next heartbeat is not long overdue."""
    if beat.status != WorkerStatus.WORKER_STATUS_RUNNING:
        return False
    # A worker may have another interval; it shows in the time between its last two heartbeats.
    interval = max(WORKER_HEARTBEAT_EVERY, beat.elapsed_since_last_heartbeat.ToTimedelta())
    return now - _moment(beat) <= _BEATS_MISSED * interval


def _live_worker(beat: WorkerHeartbeat) -> LiveWorker:
    queue = TaskQueue(beat.task_queue)
    # Activities of the workflow worker are local ones: its work is counted in workflow tasks.
    is_workflows = queue is TaskQueue.WORKFLOWS
    slots = beat.workflow_task_slots_info if is_workflows else beat.activity_task_slots_info
    return LiveWorker(
        identity=beat.worker_identity,
        queue=queue,
        num_slots=slots.current_available_slots + slots.current_used_slots,
        num_used=slots.current_used_slots,
        num_processed=slots.total_processed_tasks,
        started_at=beat.start_time.ToDatetime(UTC),
        beat_at=_moment(beat),
    )


def _moment(beat: WorkerHeartbeat) -> datetime:
    return beat.heartbeat_time.ToDatetime(UTC)


async def _backlog(client: Client, queue: TaskQueue, kind: "TaskQueueType.ValueType") -> int:
    response = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=QueueName(name=queue),
            task_queue_type=kind,
            report_stats=True,
        ),
        timeout=RPC_TIMEOUT,
    )
    return response.stats.approximate_backlog_count


async def _listed(client: Client) -> AsyncGenerator[str]:
    ours, token = frozenset[str](TaskQueue), b""
    while True:
        response = await client.workflow_service.list_workers(
            ListWorkersRequest(
                namespace=client.namespace,
                page_size=_PAGE_SIZE,
                next_page_token=token,
                query="Status = 'Running'",  # a query with IN silently finds nothing
            ),
            timeout=RPC_TIMEOUT,
        )
        for worker in response.workers:
            if worker.task_queue in ours:
                yield worker.worker_instance_key
        token = response.next_page_token
        if not token:
            return


async def _heartbeat(client: Client, key: str) -> WorkerHeartbeat | None:
    request = DescribeWorkerRequest(namespace=client.namespace, worker_instance_key=key)
    try:
        response = await client.workflow_service.describe_worker(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # removed since it was listed
            return None
        raise
    return response.worker_info.worker_heartbeat


@asynccontextmanager
async def _translating_errors() -> AsyncGenerator[None]:
    try:
        yield
    except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client's first connection
        raise TemporalDownError(str(error)) from error
