"""Pollers of a task queue, as Temporal reports them."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue as TaskQueueName
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from shared.contracts.enums import TaskQueue

_TIMEOUT = timedelta(seconds=5)


async def count_activity_pollers(client: Client, queue: TaskQueue, *, within: timedelta) -> int:
    """Return the number of workers that polled a queue for activities recently.

    Args:
        client: connected to the namespace.
        queue: the task queue.
        within: maximal age of a worker's last poll. Temporal lists a stopped worker for five
            minutes; a poll without a task lasts one minute.
    """
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueueName(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        ),
        timeout=_TIMEOUT,
    )
    seen_since = datetime.now(UTC) - within
    return sum(poller.last_access_time.ToDatetime(UTC) > seen_since for poller in described.pollers)
