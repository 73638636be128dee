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
from workflows.definitions.unexpected_errors import failing_as_internal
from workflows.policies import DELIVERY_RETRY, DELIVERY_TIMEOUT, HEARTBEAT_TIMEOUT


@workflow.defn(name="Delivery")
class DeliverEvents:
    """Deliveries of one subject, id `delivery-<uuid of the subject>`; closed while none is pending.

    The writer of an event signals or starts this workflow. The records hold the pending events and
    when each is due; the workflow waits durably.
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
        """Note a new event. It does not shorten the wait of an earlier event."""
        self._is_woken = True

    @workflow.signal
    def replay(self) -> None:
        """Note a redelivery of an older event: it ends the wait for a later one."""
        self._is_woken = self._is_replaying = True

    async def _deliver(self, run: DeliveryRun) -> DeliveryProgress:
        return await workflow.execute_activity_method(
            DeliveryActivities.deliver_pending,
            run,
            task_queue=TaskQueue.WEBHOOKS,
            start_to_close_timeout=DELIVERY_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=DELIVERY_RETRY,
            # Explicit: an activity that is started eagerly inherits no priority.
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
                # Signals of many events make a history long even during a wait.
                lambda: self._is_replaying or workflow.info().is_continue_as_new_suggested(),
                timeout=timedelta(seconds=standing.wait_s),
                timeout_summary=attempt,
            )
        workflow.set_current_details("")
