"""Delivering a subject's events to its webhook, one after the other."""

from abc import ABC, abstractmethod
from enum import StrEnum
from uuid import UUID

from temporalio import activity

from shared.contracts.message import Message
from shared.contracts.untrusted import ErrorText


class DeliveryStatus(StrEnum):
    """How the delivery of one event stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt has failed."""
    DISABLED = "disabled"
    """Its receiver is called no more."""


class SubjectKind(StrEnum):
    """What events are about."""

    TASK = "task"
    WORKFLOW = "workflow"
    TRAINING = "training"


class DeliveryRun(Message):
    """The deliveries of one subject."""

    subject_id: UUID
    """Of a task, a workflow or a training."""


class DeliveryState(StrEnum):
    """What is left to do once an activity has delivered what it could."""

    DRAINED = "drained"
    """Nothing is pending."""
    WAITING = "waiting"
    """The oldest pending event waits for its next attempt, and all others wait for it."""
    MORE = "more"
    """Events are pending; the activity has had its time."""


class DeliveryProgress(Message):
    """How the deliveries of a subject stand."""

    state: DeliveryState
    wait_s: float = 0
    """Seconds until the next attempt, where one is waited for."""
    failures: int = 0
    """Attempts that the event which is waited for has behind it."""
    error: ErrorText | None = None
    """Why the last of them failed."""


class DeliveryActivities(ABC):
    """Activities of the deliveries' own queue. What is repeated is posted under the same id."""

    @activity.defn(name="deliver_pending")
    @abstractmethod
    async def deliver_pending(self, run: DeliveryRun) -> DeliveryProgress:
        """Post a subject's pending events in order, until one is not taken or none is left."""
