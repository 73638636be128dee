"""Background starts and wake-ups of deliveries, after new events have been written."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError

from shared.contracts.deliveries import DeliveryRun
from shared.contracts.enums import TaskQueue
from shared.db.announcements import Announcement
from shared.temporal import search
from shared.temporal.fairness import fairness_key
from workflows.definitions.deliver_events import DeliverEvents
from workflows.policies import DELIVERY_EXECUTION_TIMEOUT
from workflows.versioning import AUTO_UPGRADE

_log = structlog.stdlib.get_logger(__name__)

_RPC_TIMEOUT = timedelta(seconds=10)
_CONCURRENCY = 10
_CLOSE_TIMEOUT_S = 2.0


class Waker:
    """Starter of deliveries in the background; a failure is logged only.

    The reconciler starts those that it missed.

    Args:
        client: Temporal.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: set[Announcement] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._semaphore = asyncio.Semaphore(_CONCURRENCY)

    def __call__(self, subjects: frozenset[Announcement]) -> None:
        """Schedule a wake-up for each subject that has none scheduled yet."""
        for subject in subjects - self._waiting:
            self._waiting.add(subject)
            task = asyncio.create_task(self._wake(subject))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait up to two seconds for the running wake-ups, then cancel them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()

    async def _wake(self, subject: Announcement) -> None:
        async with self._semaphore:
            self._waiting.discard(subject)
            try:
                await wake_delivery(self._client, subject)
            except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client's connection
                _log.warning(
                    "delivery_not_woken", subject=str(subject.subject_id), error=str(error)
                )


async def wake_delivery(client: Client, subject: Announcement) -> None:
    """Signal the delivery of a subject that it has new events; start it if it is not running."""
    signal: Callable[..., Any] = DeliverEvents.replay if subject.is_replay else DeliverEvents.wake
    attributes = {
        search.KIND: "delivery",
        search.ORIGIN_INSTANCE: subject.origin_instance,
    }
    if subject.origin_tenant_id:
        attributes[search.TENANT_ID] = subject.origin_tenant_id
    await client.start_workflow(
        DeliverEvents.run,
        DeliveryRun(subject_id=subject.subject_id),
        id=f"delivery-{subject.subject_id}",
        task_queue=TaskQueue.WEBHOOKS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        execution_timeout=DELIVERY_EXECUTION_TIMEOUT,
        rpc_timeout=_RPC_TIMEOUT,
        static_summary=f"events of {subject.subject_kind} {subject.subject_id}",
        search_attributes=TypedSearchAttributes(
            [SearchAttributePair(key, value) for key, value in attributes.items()]
        ),
        priority=Priority(
            fairness_key=fairness_key(subject.origin_instance, subject.origin_tenant_id)
        ),
        versioning_override=AUTO_UPGRADE,
        start_signal=signal.__name__,
    )
