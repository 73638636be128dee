"""The workflow that delivers one subject's events to its webhook, in order, until none is left."""

import asyncio
import contextlib
from datetime import timedelta

from temporalio import workflow

from shared.contracts.deliveries import (
    DeliveryActivities,
    DeliveryProgress,
    DeliveryRun,
    DeliveryState,
)
from shared.contracts.enums import TaskQueue
from workflows.definitions.unforeseen import failing_as_internal
from workflows.policies import DELIVERY_RETRY, DELIVERY_TIMEOUT, HEARTBEAT_TIMEOUT


@workflow.defn(name="Delivery")
class DeliverEvents:
    """Id `delivery-<uuid of the subject>`; there is none while nothing is to be delivered.

    Whoever has written an event wakes it, or starts it. The records say what is pending and when it
    is due; this waits, durably.
    """

    def __init__(self) -> None:
        self._is_woken = False
        self._is_replaying = False

    @workflow.run
    async def run(self, run: DeliveryRun) -> None:
        """Deliver until nothing is pending."""
        with failing_as_internal():
            await self._deliver_all(run)

    async def _deliver_all(self, run: DeliveryRun) -> None:
        while True:
            self._is_woken = self._is_replaying = False
            standing = await self._deliver(run)
            if standing.state == DeliveryState.WAITING:
                await self._wait(standing)
            elif standing.state == DeliveryState.DRAINED and not self._is_woken:
                return
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(run)

    @workflow.signal
    def wake(self) -> None:
        """An event has been written. One that waits before it is not hurried by that."""
        self._is_woken = True

    @workflow.signal
    def replay(self) -> None:
        """An older event is to be delivered again: what is waited for may not be the oldest."""
        self._is_woken = self._is_replaying = True

    async def _deliver(self, run: DeliveryRun) -> DeliveryProgress:
        return await workflow.execute_activity_method(
            DeliveryActivities.deliver_pending,
            run,
            task_queue=TaskQueue.WEBHOOKS,
            start_to_close_timeout=DELIVERY_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=DELIVERY_RETRY,
            # Whose it is: an activity that is started along with its workflow task inherits none.
            priority=workflow.info().priority,
            summary="pending events",
        )

    async def _wait(self, standing: DeliveryProgress) -> None:
        attempt = f"attempt {standing.failures + 1}"
        workflow.set_current_details(
            f"Waits {standing.wait_s:.0f} s for {attempt}: {standing.error or 'it is not due yet'}"
        )
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                # Wakes of many events make a history long even while nothing is done.
                lambda: self._is_replaying or workflow.info().is_continue_as_new_suggested(),
                timeout=timedelta(seconds=standing.wait_s),
                timeout_summary=attempt,
            )
        workflow.set_current_details("")
