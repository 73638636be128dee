"""Messages and activities of remote providers: work is submitted once and awaited repeatedly.

Workflows are independent of the provider. Only the provider's adapter reads the `handle`, with
which it finds its work again. A submission costs money, so it is sent once: if the response is
lost, the task fails (`shared.contracts.failures.SUBMISSION_UNKNOWN`).
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptResult
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.message import Message
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.contracts.untrusted import ErrorText


class RemoteWork(Message):
    """An attempt at a task by a remote provider."""

    task_id: UUID
    attempt: int
    task_type: TaskType
    provider_type: ProviderType
    provider_config: dict[str, Any] = {}
    inputs: dict[str, Any]
    """The task type's request fields, with pictures and LoRAs as object keys."""
    folder: str | None = None
    """Folder of its attempts, if it is a part of another task. None: that of the task."""
    is_repeated: bool = False
    """True if an earlier try to submit this attempt was lost with its worker."""


class Submission(Message):
    """Work that a provider has accepted, and the data to find it again."""

    request_id: str
    """The provider's id of the work."""
    handle: dict[str, Any] = {}
    """Further data that the adapter needs; no secrets."""
    submitted_at: datetime
    executor_instance: str
    executor_type: str
    service_requests: list[ServiceRequest] = []


class SubmittedWork(RemoteWork):
    """An attempt that the provider has accepted."""

    submission: Submission
    timeout_s: float = 600
    """Maximal seconds from submission to result; after that the attempt fails with TIMEOUT."""


class RemoteResult(AttemptResult):
    """The result of work by a remote provider."""

    results: dict[str, Any]
    """Result fields by their REST names."""
    resumes: int = Field(default=0, ge=0)
    """Number of times that the wait was resumed, by another worker or after an outage."""
    resumed_at: datetime | None = None
    """Time of the last resume."""

    def fields(self) -> dict[str, Any]:
        """Return the result fields of the task, by their REST names."""
        return self.results


class Withdrawal(Message):
    """The outcome of cancelling work at its provider."""

    is_withdrawn: bool
    """True if the provider confirmed the cancellation; it may still charge for work done so far."""
    message: ErrorText
    """The provider's response, for the record: `fal returned ALREADY_COMPLETED`."""
    service_requests: list[ServiceRequest] = []
    billed: list[BilledUnits] = []
    """Units that the provider billed all the same."""
    submission: Submission | None = None
    """The submission that `recall_work` found."""


class ProviderActivities(ABC):
    """Activities of a provider's task queue."""

    @activity.defn(name="submit_work")
    @abstractmethod
    async def submit_work(self, work: RemoteWork) -> Submission:
        """Submit the work. Repeated after a lost worker, and sent once all the same."""

    @activity.defn(name="await_work")
    @abstractmethod
    async def await_work(self, work: SubmittedWork) -> RemoteResult:
        """Wait for the work and store its results. Free of charge; may be retried any time.

        A cancellation cancels the work at the provider; the failure contains the outcome.
        """

    @activity.defn(name="withdraw_work")
    @abstractmethod
    async def withdraw_work(self, work: SubmittedWork) -> Withdrawal:
        """Cancel work at its provider that no `await_work` waits for."""

    @activity.defn(name="recall_work")
    @abstractmethod
    async def recall_work(self, work: RemoteWork) -> Withdrawal:
        """Cancel an attempt whose submission was lost with its worker.

        Nothing is sent for it any more; what a lost worker has sent is cancelled at the provider.
        """
