"""An outside provider that a test controls."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.contracts.submissions import (
    ProviderActivities,
    RemoteResult,
    RemoteWork,
    Submission,
    SubmittedWork,
    Withdrawal,
)
from tests.fakes.inference import STARTED_AT

Act = Callable[[RemoteWork], Awaitable[None]]


async def do_nothing(work: RemoteWork) -> None:
    """Return at once, like a fast provider."""


def request(method: str, url: str, attempt: int) -> ServiceRequest:
    return ServiceRequest(
        provider=ProviderType.FAL_STANDARD,
        method=method,
        url=url,
        status=200,
        duration_ms=1,
        attempt=attempt,
        at=STARTED_AT,
    )


class FakeProvider(ProviderActivities):
    """A provider that records its requests; `on_submit` and `on_await` fail them by raising."""

    def __init__(self) -> None:
        self.on_submit: Act = do_nothing
        self.on_await: Act = do_nothing
        self.is_withdrawn = True
        self.results: dict[str, Any] = {"result_url": "https://fal.example/result.png"}
        self.files: list[StoredFile] = []
        self.billed: list[BilledUnits] = []
        self.submitted: list[RemoteWork] = []
        self.awaited: list[SubmittedWork] = []
        self.withdrawn: list[SubmittedWork] = []
        self.recalled: list[RemoteWork] = []

    @activity.defn(name="submit_work")
    async def submit_work(self, work: RemoteWork) -> Submission:
        self.submitted.append(work)
        await self.on_submit(work)
        return Submission(
            request_id=f"request-{len(self.submitted)}",
            handle={"status_url": "https://fal.example/status"},
            submitted_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            service_requests=[request("POST", "https://fal.example/app", work.attempt)],
        )

    @activity.defn(name="await_work")
    async def await_work(self, work: SubmittedWork) -> RemoteResult:
        self.awaited.append(work)
        await self.on_await(work)
        tries = activity.info().attempt
        return RemoteResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            results=self.results,
            files=self.files,
            service_requests=[request("GET", "https://fal.example/status", work.attempt)],
            billed=self.billed,
            resumes=tries - 1,
            resumed_at=STARTED_AT if tries > 1 else None,
        )

    @activity.defn(name="withdraw_work")
    async def withdraw_work(self, work: SubmittedWork) -> Withdrawal:
        self.withdrawn.append(work)
        said = "OK" if self.is_withdrawn else "ALREADY_COMPLETED"
        return Withdrawal(is_withdrawn=self.is_withdrawn, message=f"fal returned {said}")

    @activity.defn(name="recall_work")
    async def recall_work(self, work: RemoteWork) -> Withdrawal:
        self.recalled.append(work)
        return Withdrawal(is_withdrawn=True, message="nothing was sent")
