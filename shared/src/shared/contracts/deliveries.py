"""Messages and activity of webhook deliveries: a subject's events are delivered in order."""

from abc import ABC, abstractmethod
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from shared.contracts.message import Message
from shared.contracts.untrusted import ErrorText


class DeliveryStatus(StrEnum):
    """Status of the delivery of one event."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt failed."""
    DISABLED = "disabled"
    """The receiver is disabled: nothing is sent to it."""


class SubjectKind(StrEnum):
    """The kinds of records that have events."""

    TASK = "task"
    WORKFLOW = "workflow"
    TRAINING = "training"


class DeliveryRun(Message):
    """The deliveries of one subject."""

    subject_id: UUID
    """Id of a task, a workflow or a training."""


class DeliveryState(StrEnum):
    """The work that remains after one run of the delivery activity."""

    DRAINED = "drained"
    """Nothing is pending."""
    WAITING = "waiting"
    """The oldest pending event waits for its next attempt, and all later ones wait for it."""
    MORE = "more"
    """Events are pending; the activity reached its time limit."""


class DeliveryProgress(Message):
    """Progress of a subject's deliveries after one run of the delivery activity."""

    state: DeliveryState
    wait_s: float = 0
    """Seconds until the next attempt, in state WAITING."""
    failures: int = 0
    """Failed attempts at the oldest pending event."""
    error: ErrorText | None = None
    """The error of the last failed attempt."""


class DeliveryActivities(ABC):
    """Activities of the `webhooks` task queue. A retry posts an event under the same webhook id."""

    @activity.defn(name="deliver_pending")
    @abstractmethod
    async def deliver_pending(self, run: DeliveryRun) -> DeliveryProgress:
        """Post a subject's pending events in order, until one fails or none is left."""
