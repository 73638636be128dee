"""What a task has been through: counted as it happens, and written into its record."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared.contracts.enums import ErrorCategory, ProviderType
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.runs import ProviderVerdict, TaskHistory
from shared.contracts.submissions import RemoteResult, ServiceRequest, Submission
from workflows.definitions.failure import Failure

_MOST_REQUESTS = 500
"""A run's result has them, and Temporal carries 2 MiB."""


class Account:
    """The attempts at one task."""

    def __init__(self, task_id: UUID) -> None:
        self.task_id = task_id
        self.attempt = 0
        self.retries = 0
        """Failures that count against `max_retries`, at the provider that has the task now."""
        self.lost_workers = 0
        self.unserved = 0
        self.fetch_retries = 0
        """Failed fetches of its pictures that were followed by another; they are retries, too."""
        self.errors: list[str] = []
        self.fallback_used = False
        self.service_task_id: str | None = None
        self.service_requests: list[ServiceRequest] = []
        self.resumes = 0
        self.resumed_at: datetime | None = None
        self.verdict: ProviderVerdict | None = None

    def note_failure(self, failure: Failure, provider: ProviderType) -> None:
        """Take down why the attempt failed."""
        self.errors.append(f"attempt {self.attempt}: {failure.message}")
        self.note_requests(failure.service_requests)
        if failure.is_worker_lost:
            self.lost_workers += 1
        else:
            self.retries += 1
        counts = CONSEQUENCES[failure.category].counts_against_provider
        self.verdict = ProviderVerdict(provider_type=provider, is_success=False if counts else None)

    def note_failed_fetch(self, failure: Failure) -> None:
        """Take down why the pictures could not be fetched: nothing that its provider did."""
        self.errors.append(failure.message)
        if failure.is_worker_lost:
            self.lost_workers += 1
        else:
            self.retries += 1

    def note_success(self, provider: ProviderType) -> None:
        """Take down that the attempt succeeded."""
        self.verdict = ProviderVerdict(provider_type=provider, is_success=True)

    def note_faults(self, faults: Iterable[str], provider: ProviderType) -> None:
        """Take down what the attempt left undone: the request's fault, not its provider's."""
        self.errors += [f"attempt {self.attempt}: {fault}" for fault in faults]
        self.verdict = ProviderVerdict(provider_type=provider, is_success=None)

    def note_submission(self, submission: Submission) -> None:
        """Take down that the provider has the work."""
        self.service_task_id = submission.request_id
        self.note_requests(submission.service_requests)

    def note_result(self, result: RemoteResult) -> None:
        """Take down what waiting for the provider took."""
        self.note_requests(result.service_requests)
        self.resumes += result.resumes
        self.resumed_at = result.resumed_at or self.resumed_at

    def note_requests(self, requests: Iterable[ServiceRequest]) -> None:
        """Take down calls to an outside service; of very many, the oldest questions give way."""
        self.service_requests += requests
        surplus = len(self.service_requests) - _MOST_REQUESTS
        questions = [each for each in self.service_requests if each.method == "GET"]
        for each in questions[: max(surplus, 0)]:
            self.service_requests.remove(each)

    def note_cancellation(self, provider: ProviderType) -> None:
        """Take down that the attempt under way, if any, was broken off."""
        if self.attempt:
            self.verdict = ProviderVerdict(provider_type=provider, is_success=None)

    def start_over(self) -> None:
        """Give the task to its fallback, which has its own retries; what was counted stays."""
        self.fallback_used = True
        self.retries = 0
        self.service_task_id = None

    def written(
        self, category: ErrorCategory | None = None, *, waiting_for: str | None = None
    ) -> TaskHistory:
        """As the record has it. A verdict is told once.

        Args:
            category: of the last failure.
            waiting_for: what has to come before it can go on.
        """
        verdict, self.verdict = self.verdict, None
        return TaskHistory(
            task_id=self.task_id,
            attempt=self.attempt,
            retry_count=max(self.attempt - 1, 0) + self.fetch_retries,
            errors=list(self.errors),
            error_category=category,
            fallback_used=self.fallback_used,
            service_task_id=self.service_task_id,
            service_requests=list(self.service_requests),
            resumes=self.resumes,
            resumed_at=self.resumed_at,
            waiting_for=waiting_for,
            verdict=verdict,
        )
