"""What Temporal knows of queues and workers right now.

A worker lives while it sends heartbeats. That it is listed says little: one that was killed stays
listed for five minutes, among the pollers of its queue as well.
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
    """One poller of one queue, as of its last heartbeat; a process may have several."""

    identity: str
    """Its process: `inference-worker@host:pid`."""
    queue: TaskQueue
    num_slots: int
    """Tasks that it takes at a time."""
    num_used: int
    num_processed: int
    """Tasks that it has ended since its start, well or not."""
    started_at: datetime
    beat_at: datetime


class TemporalDownError(Exception):
    """Temporal does not answer."""


async def backlogs(client: Client) -> dict[TaskQueue, int]:
    """How many tasks wait in each queue for a worker to take them."""
    asked = [(queue, _ACTIVITIES) for queue in TaskQueue] + [(TaskQueue.WORKFLOWS, _WORKFLOWS)]
    async with _answering():
        lengths = await asyncio.gather(*(_backlog(client, *queue) for queue in asked))
    found = dict.fromkeys(TaskQueue, 0)
    for (queue, _), length in zip(asked, lengths, strict=True):
        found[queue] += length
    return found


async def live_workers(client: Client) -> list[LiveWorker]:
    """The workers of our queues that were heard of lately."""
    async with _answering():
        keys = [key async for key in _listed(client)]
        limit = asyncio.Semaphore(_AT_A_TIME)

        async def heartbeat(key: str) -> WorkerHeartbeat | None:
            async with limit:
                return await _heartbeat(client, key)

        beats = await asyncio.gather(*(heartbeat(key) for key in keys))
    now = datetime.now(UTC)
    return [_live_worker(beat) for beat in beats if beat is not None and is_alive(beat, now)]


def is_alive(beat: WorkerHeartbeat, now: datetime) -> bool:
    """Whether a worker runs, and its next heartbeat is not long overdue."""
    if beat.status != WorkerStatus.WORKER_STATUS_RUNNING:
        return False
    # A worker with another interval than ours shows it by the time between its last two beats.
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
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=QueueName(name=queue),
            task_queue_type=kind,
            report_stats=True,
        ),
        timeout=RPC_TIMEOUT,
    )
    return answer.stats.approximate_backlog_count


async def _listed(client: Client) -> AsyncGenerator[str]:
    ours, token = frozenset[str](TaskQueue), b""
    while True:
        answer = await client.workflow_service.list_workers(
            ListWorkersRequest(
                namespace=client.namespace,
                page_size=_PAGE_SIZE,
                next_page_token=token,
                query="Status = 'Running'",  # a query with IN would find nothing, in silence
            ),
            timeout=RPC_TIMEOUT,
        )
        for worker in answer.workers:
            if worker.task_queue in ours:
                yield worker.worker_instance_key
        token = answer.next_page_token
        if not token:
            return


async def _heartbeat(client: Client, key: str) -> WorkerHeartbeat | None:
    request = DescribeWorkerRequest(namespace=client.namespace, worker_instance_key=key)
    try:
        answer = await client.workflow_service.describe_worker(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # it went away since it was listed
            return None
        raise
    return answer.worker_info.worker_heartbeat


@asynccontextmanager
async def _answering() -> AsyncGenerator[None]:
    try:
        yield
    except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client's first connection
        raise TemporalDownError(str(error)) from error
