"""The attempts of a task: counters, errors, requests and billed units, as in its record."""

import sys
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared.contracts.attempts import AttemptResult
from shared.contracts.enums import ErrorCategory, ProviderType
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.remote_editing import EditReport
from shared.contracts.runs import BreakerKey, ProviderVerdict, TaskHistory
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.contracts.submissions import RemoteResult, Submission
from workflows.definitions.failure import Failure

_MOST_REQUESTS = 500
"""They are part of the run's result, and Temporal limits a payload to 2 MiB."""
_MOST_BILLED = 100


class AttemptLog:
    """The attempts of one task."""

    def __init__(self, task_id: UUID) -> None:
        self.task_id = task_id
        self.attempt = 0
        self.retries = 0
        """Failures at the current provider that count against `max_retries`."""
        self.lost_workers = 0
        self.unserved = 0
        self.fetch_retries = 0
        """Retried fetches of its pictures; they count against `max_retries` as well."""
        self.errors: list[str] = []
        self.fallback_used = False
        self.service_task_id: str | None = None
        self.service_requests: list[ServiceRequest] = []
        self.billed: dict[tuple[int, ProviderType, str], float] = {}
        """Amounts by attempt, provider and unit."""
        self.resumes = 0
        self.resumed_at: datetime | None = None
        self.verdict: ProviderVerdict | None = None

    def note_failure(self, failure: Failure, provider: BreakerKey) -> None:
        """Add the failure of the current attempt."""
        self.errors.append(f"attempt {self.attempt}: {failure.message}")
        self.note_requests(failure.calls.service_requests, failure.calls.billed)
        if failure.is_worker_lost:
            self.lost_workers += 1
        else:
            self.retries += 1
        counts = CONSEQUENCES[failure.category].counts_against_provider
        counts = counts and not failure.is_of_request
        self.verdict = ProviderVerdict(provider_type=provider, is_success=False if counts else None)

    def note_failed_fetch(self, failure: Failure) -> None:
        """Add a failed fetch of pictures; it does not count against the provider."""
        self.errors.append(failure.message)
        if failure.is_worker_lost:
            self.lost_workers += 1
        else:
            self.retries += 1

    def note_success(self, provider: BreakerKey) -> None:
        """Add the success of the current attempt."""
        self.verdict = ProviderVerdict(provider_type=provider, is_success=True)

    def note_faults(self, faults: Iterable[str], provider: BreakerKey) -> None:
        """Add the parts of a batch that failed because of the request, not of the provider."""
        self.errors += [f"attempt {self.attempt}: {fault}" for fault in faults]
        self.verdict = ProviderVerdict(provider_type=provider, is_success=None)

    def note_submission(self, submission: Submission) -> None:
        """Add the provider's id of the submitted work, and its requests."""
        self.service_task_id = submission.request_id
        self.note_requests(submission.service_requests)

    def note_result(self, result: AttemptResult) -> None:
        """Add the requests and billed units of an attempt, and the resumes of a wait."""
        self.note_requests(result.service_requests, result.billed)
        if isinstance(result, RemoteResult):
            self.resumes += result.resumes
            self.resumed_at = result.resumed_at or self.resumed_at

    def note_edit(self, report: EditReport) -> None:
        """Add the requests and billed units of an edit that is a part of the current attempt."""
        attempt = {"attempt": self.attempt}
        requests = [each.model_copy(update=attempt) for each in report.service_requests]
        self.note_requests(requests, report.billed)

    def note_requests(
        self, requests: Iterable[ServiceRequest], billed: Iterable[BilledUnits] = ()
    ) -> None:
        """Add requests to outside services and the units that the current attempt was billed.

        Beyond the limit, the oldest GETs are dropped.
        """
        self._note_billed(billed)
        self.service_requests += requests
        surplus = len(self.service_requests) - _MOST_REQUESTS
        gets = [each for each in self.service_requests if each.method == "GET"]
        for each in gets[: max(surplus, 0)]:
            self.service_requests.remove(each)

    def _note_billed(self, billed: Iterable[BilledUnits]) -> None:
        """Add units; an attempt has one sum for each provider and unit."""
        for each in billed:
            which = (self.attempt, each.provider, each.unit)
            if which in self.billed or len(self.billed) < _MOST_BILLED:
                total = self.billed.get(which, 0.0) + each.amount
                self.billed[which] = min(total, sys.float_info.max)

    def note_cancellation(self, provider: BreakerKey) -> None:
        """Add the cancellation of the current attempt, if there is one."""
        if self.attempt:
            self.verdict = ProviderVerdict(provider_type=provider, is_success=None)

    def start_over(self) -> None:
        """Switch to the fallback provider, which has retries of its own; the history stays."""
        self.fallback_used = True
        self.retries = 0
        self.service_task_id = None

    def written(
        self, category: ErrorCategory | None = None, *, waiting_for: str | None = None
    ) -> TaskHistory:
        """Return the message for the record. A verdict is included once only.

        Args:
            category: category of the last failure.
            waiting_for: condition that the task waits for.
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
            billed=[
                BilledUnits(provider=provider, unit=unit, amount=amount, attempt=attempt)
                for (attempt, provider, unit), amount in self.billed.items()
            ],
            resumes=self.resumes,
            resumed_at=self.resumed_at,
            waiting_for=waiting_for,
            verdict=verdict,
        )
