"""The activities pass on all parts of an adapter's result and of its errors."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.adapters import Send
from provider_worker.calls import Call, CallLog
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.submission import Marks
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskType
from shared.contracts.provenance import Provenance
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import RemoteWork, Submission, SubmittedWork
from shared.errors import PlatformError
from shared.progress import ExecutorIdentity
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.progress import RecordedProgress

UNITS = BilledUnits(provider=ProviderType.FAL_STANDARD, unit="megapixels", amount=0.5)
MADE = Provenance(engine="fal", model="fal-ai/flux/dev", ignored=["width"])
WORK = SubmittedWork(
    task_id=uuid.uuid4(),
    attempt=1,
    task_type=TaskType.GENERATION,
    provider_type=ProviderType.FAL_STANDARD,
    inputs={},
    submission=Submission(
        request_id="r-1",
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
        executor_instance="worker-1",
        executor_type="provider-worker",
    ),
)


class Studio:
    """An adapter whose work has ended. Implements `Adapter`."""

    queue = TaskQueue.PROVIDER_FAL
    serves = frozenset({(ProviderType.FAL_STANDARD, TaskType.GENERATION)})

    def __init__(self, error: PlatformError | None = None) -> None:
        self._error = error

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        async def send() -> Accepted:
            return Accepted("r-1", {})

        return send

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        log.add(Call("GET", "https://fal.example/status", status=200))
        if self._error:
            raise self._error
        return ProviderResult({"result_text": "x"}, billed=[UNITS], provenance=MADE)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        return WithdrawalResult(is_withdrawn=False, message="it had ended")

    async def close(self) -> None:
        pass


def activities(adapter: Studio) -> RemoteProviders:
    executant = ExecutorIdentity(executor_instance="worker-1", executor_type="provider-worker")
    return RemoteProviders(
        [adapter],
        marks=lambda _: Marks(MemoryObjectStore(), sending_s=60),
        progress=RecordedProgress(),
        executant=executant,
    )


async def test_result_has_units_and_provenance() -> None:
    result = await ActivityEnvironment().run(activities(Studio()).await_work, WORK)
    assert (result.billed, result.provenance) == ([UNITS], MADE)
    assert [each.method for each in result.service_requests] == ["GET"]


async def test_failure_has_the_calls_and_keeps_its_units() -> None:
    error = PlatformError("no luck", category=ErrorCategory.CONTENT_POLICY, billed=[UNITS])
    with pytest.raises(PlatformError) as caught:
        await ActivityEnvironment().run(activities(Studio(error)).await_work, WORK)
    assert caught.value.billed == (UNITS,)
    assert [each.method for each in caught.value.service_requests] == ["GET"]
