"""Who polls a task queue, as Temporal knows it."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue as TaskQueueName
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from shared.contracts.enums import TaskQueue

_TIMEOUT = timedelta(seconds=5)


async def count_activity_pollers(client: Client, queue: TaskQueue, *, within: timedelta) -> int:
    """How many workers have asked a queue for activities lately.

    Args:
        client: connected to the namespace.
        queue: the task queue.
        within: Temporal lists a stopped worker for five minutes; those not seen for longer than
            this do not count. A poll that finds nothing lasts a minute.
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
