"""Work that is done by an outside provider: handed over once, awaited as often as need be.

The workflow knows no provider. What a provider needs to find its work again is the `handle`, which
it alone reads. A submission costs money, so it has one try: where its answer was lost nobody knows
whether it was taken, and it is not sent again (`shared.contracts.failures.SUBMISSION_UNKNOWN`).
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptResult
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.foreign import ErrorText, Label
from shared.contracts.message import Message


class ServiceRequest(Message):
    """One call to an outside service, as the record shows it: no keys, no pictures."""

    provider: ProviderType
    method: str
    url: Label
    """Without credentials and query."""
    status: int | None = None
    """HTTP status; none: there was no answer."""
    duration_ms: int = Field(ge=0)
    provider_request_id: Label | None = None
    attempt: int
    at: datetime


class RemoteWork(Message):
    """One attempt at a task that a provider does."""

    task_id: UUID
    attempt: int
    task_type: TaskType
    provider_type: ProviderType
    provider_config: dict[str, Any] = {}
    inputs: dict[str, Any]
    """The task type's request fields; pictures and LoRAs as object keys."""


class Submission(Message):
    """What the provider took: its name there, and how to find it again."""

    request_id: str
    """The provider's own id of it."""
    handle: dict[str, Any] = {}
    """What the adapter needs beside the id; no secrets."""
    submitted_at: datetime
    executor_instance: str
    executor_type: str
    service_requests: list[ServiceRequest] = []


class SubmittedWork(RemoteWork):
    """An attempt that the provider has taken."""

    submission: Submission
    timeout_s: float = 600
    """How long the work may take since its submission; then the wait ends as a final TIMEOUT."""


class RemoteResult(AttemptResult):
    """What the provider made."""

    results: dict[str, Any]
    """Result fields by their REST names."""
    service_requests: list[ServiceRequest] = []
    """The calls since the submission."""
    resumes: int = Field(default=0, ge=0)
    """How often the wait was taken up again, by another worker or after an outage."""
    resumed_at: datetime | None = None
    """When it was last taken up again."""

    def fields(self) -> dict[str, Any]:
        """The result fields of the task, by their REST names."""
        return self.results


class Withdrawal(Message):
    """What became of an attempt to cancel work at its provider."""

    is_withdrawn: bool
    """The provider has said that it will not do it; what it had done by then may cost."""
    message: ErrorText
    """What the provider said, for the record: `fal returned ALREADY_COMPLETED`."""
    service_requests: list[ServiceRequest] = []


class ProviderActivities(ABC):
    """Activities on a provider's own queue."""

    @activity.defn(name="submit_work")
    @abstractmethod
    async def submit_work(self, work: RemoteWork) -> Submission:
        """Hand the work over. Never retried once it may have been sent."""

    @activity.defn(name="await_work")
    @abstractmethod
    async def await_work(self, work: SubmittedWork) -> RemoteResult:
        """Wait for the work and store what it made. Costs nothing, may be run any number of times.

        A cancellation withdraws the work at the provider, and the failure says what came of it.
        """

    @activity.defn(name="withdraw_work")
    @abstractmethod
    async def withdraw_work(self, work: SubmittedWork) -> Withdrawal:
        """Cancel the work at its provider, where nobody waits for it any more."""
