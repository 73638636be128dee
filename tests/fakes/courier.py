"""The activity that delivers, answering what a test tells it to."""

import asyncio
from collections.abc import Iterable

from temporalio import activity

from shared.contracts.deliveries import (
    DeliveryActivities,
    DeliveryProgress,
    DeliveryRun,
    DeliveryState,
)
from shared.webhooks.schedule import delay_s

DRAINED = DeliveryProgress(state=DeliveryState.DRAINED)


def waiting(wait_s: float, failures: int = 1) -> DeliveryProgress:
    return DeliveryProgress(
        state=DeliveryState.WAITING,
        wait_s=wait_s,
        failures=failures,
        error="the receiver returned 503",
    )


def never_taken() -> Iterable[DeliveryProgress]:
    """One event that nobody takes, until it is given up."""
    failures = 1
    while (wait_s := delay_s(failures, 0.5)) is not None:
        yield waiting(wait_s, failures)
        failures += 1


class FakeCourier(DeliveryActivities):
    """Gives its answers in turn, and then that nothing is pending."""

    def __init__(self, *answers: DeliveryProgress) -> None:
        self.answers = list(answers)
        self.calls: list[DeliveryRun] = []
        self.is_called = asyncio.Event()
        self.is_open = asyncio.Event()
        self.is_open.set()

    @activity.defn(name="deliver_pending")
    async def deliver_pending(self, run: DeliveryRun) -> DeliveryProgress:
        self.calls.append(run)
        self.is_called.set()
        await self.is_open.wait()
        return self.answers.pop(0) if self.answers else DRAINED
