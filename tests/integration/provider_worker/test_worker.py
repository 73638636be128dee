"""The worker on a real Temporal: cancelled, stopped, killed; no submission is sent twice."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from provider_worker.__main__ import build_worker
from provider_worker.sandbox.faults import Fault
from provider_worker.sandbox.ledger import Entry
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue
from shared.contracts.failures import SUBMISSION_UNKNOWN, UNSERVED
from shared.contracts.service_requests import ServiceRequest
from shared.contracts.submissions import (
    ProviderActivities,
    RemoteResult,
    RemoteWork,
    SubmittedWork,
)
from shared.storage.s3 import S3ObjectStore
from shared.temporal.worker import WorkerSettings
from tests.fixtures.gateway import storage_settings
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.remote_work import fal_activities, generation_work, marker_of, until_true
from tests.fixtures.sandbox import KEY, OpenSandbox
from tests.fixtures.servers import Servers

_NAMESPACE = "provider-worker"
_FLOW_QUEUE = "remote-work"
_TIMEOUT = timedelta(seconds=60)


@workflow.defn
class DoRemoteWork:
    """A workflow that submits once, then waits, like the platform's own."""

    @workflow.run
    async def run(self, work: RemoteWork) -> RemoteResult:
        submission = await workflow.execute_activity_method(
            ProviderActivities.submit_work,
            work,
            task_queue=TaskQueue.PROVIDER_FAL,
            start_to_close_timeout=_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=3),
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        taken = SubmittedWork.model_validate(work.model_dump() | {"submission": submission})
        if (current := asyncio.current_task()) and current.cancelling():
            await workflow.execute_activity_method(
                ProviderActivities.withdraw_work,
                taken,
                task_queue=TaskQueue.PROVIDER_FAL,
                start_to_close_timeout=_TIMEOUT,
            )
            raise asyncio.CancelledError
        return await workflow.execute_activity_method(
            ProviderActivities.await_work,
            taken,
            task_queue=TaskQueue.PROVIDER_FAL,
            start_to_close_timeout=_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=3),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


Run = WorkflowHandle[DoRemoteWork, RemoteResult]


@pytest.fixture(scope="module")
async def temporal(servers: Servers) -> AsyncIterator[Client]:
    client = await open_namespace(servers, _NAMESPACE)
    async with Worker(
        client,
        task_queue=_FLOW_QUEUE,
        workflows=[DoRemoteWork],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield client


@pytest.fixture(scope="module")
async def s3(servers: Servers) -> AsyncIterator[S3ObjectStore]:
    store = S3ObjectStore(storage_settings(servers))
    yield store
    store.close()


@asynccontextmanager
async def _working(temporal: Client, fal: OpenSandbox, s3: S3ObjectStore) -> AsyncIterator[None]:
    async with fal_activities(fal, s3) as activities:
        settings = WorkerSettings(drain_timeout_s=0.2)
        async with build_worker(temporal, TaskQueue.PROVIDER_FAL, activities, settings):
            yield


async def _start(temporal: Client, work: RemoteWork) -> Run:
    return await temporal.start_workflow(
        DoRemoteWork.run,
        work,
        id=f"remote-{work.task_id}",
        task_queue=_FLOW_QUEUE,
        execution_timeout=_TIMEOUT,
    )


async def _failure(run: Run) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    failed = caught.value.cause
    assert isinstance(failed, ActivityError), failed
    assert isinstance(failed.cause, ApplicationError), failed.cause
    return failed.cause


async def _polled(fal: OpenSandbox, *, times: int = 1) -> Entry:
    """Return the accepted work, once it has been polled."""
    entries = fal.ledger.entries
    await until_true(lambda: any(entry.polls >= times for entry in entries.values()))
    (entry,) = entries.values()
    return entry


def _finish(entry: Entry) -> None:
    entry.work = Fault(on="work", polls=1)


async def test_pictures_come_from_fal_into_our_storage(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    work = generation_work()
    async with _working(temporal, fal, s3):
        run = await _start(temporal, work)
        result = await run.result()
    assert (await s3.get(result.results["result_image_path"])).startswith(b"\x89PNG")
    history = (await run.fetch_history()).to_json()
    assert KEY not in history
    assert fal.ledger.posts == {marker_of(work): 1}


async def test_a_dropped_connection_is_an_unknown_outcome_after_one_post(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    fal.play(Fault(on="submit", is_taken=True, is_dropped=True))
    work = generation_work()
    async with _working(temporal, fal, s3):
        failure = await _failure(await _start(temporal, work))
    assert failure.type == SUBMISSION_UNKNOWN
    (told,) = failure.details
    assert ServiceRequest.model_validate(told).method == "POST"
    assert fal.ledger.posts == fal.ledger.submits == {marker_of(work): 1}


async def test_a_refusal_carries_its_category_and_retry_after(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    fal.play(Fault(on="submit", status=429, headers={"Retry-After": "7"}))
    async with _working(temporal, fal, s3):
        failure = await _failure(await _start(temporal, generation_work()))
    assert failure.type == ErrorCategory.RATE_LIMIT
    assert failure.next_retry_delay == timedelta(seconds=7)
    assert not failure.non_retryable


async def test_failed_work_ends_the_wait(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    fal.play(Fault(on="work", status=500, body={"detail": "out of memory"}))
    async with _working(temporal, fal, s3):
        failure = await _failure(await _start(temporal, generation_work()))
    assert failure.type == ErrorCategory.PROVIDER_ERROR
    assert failure.non_retryable


async def test_unsupported_work_is_reported_as_unserved(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    work = generation_work().model_copy(update={"provider_type": ProviderType.FAL_GARMENT_FIXER})
    async with _working(temporal, fal, s3):
        failure = await _failure(await _start(temporal, work))
    assert failure.type == UNSERVED


async def test_a_cancellation_reaches_fal(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    fal.play(Fault(on="work", polls=0))
    async with _working(temporal, fal, s3):
        run = await _start(temporal, generation_work())
        entry = await _polled(fal, times=2)
        await run.cancel()
        failure = await _failure(run)
    assert failure.type == ErrorCategory.CANCELLED
    assert failure.non_retryable
    assert "fal returned CANCELLATION_REQUESTED" in failure.message
    assert failure.details[-1]["method"] == "PUT"
    assert fal.ledger.cancels == [entry.request_id]


async def test_a_submission_that_is_cancelled_while_sent_is_not_lost(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    """The workflow receives fal's request id, and can withdraw the work."""
    fal.play(Fault(on="submit", is_taken=True, delay_s=2.5), Fault(on="work", polls=0))
    async with _working(temporal, fal, s3):
        run = await _start(temporal, generation_work())
        await until_true(lambda: fal.ledger.posts)
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await run.result()
    (entry,) = fal.ledger.entries.values()
    assert fal.ledger.cancels == [entry.request_id]
    assert entry.is_cancelled


async def test_a_wait_of_a_stopped_worker_is_resumed_by_the_next(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore
) -> None:
    fal.play(Fault(on="work", polls=0))
    work = generation_work()
    async with _working(temporal, fal, s3):
        run = await _start(temporal, work)
        entry = await _polled(fal)
    asked_before = entry.polls
    async with _working(temporal, fal, s3):
        await until_true(lambda: entry.polls > asked_before)
        _finish(entry)
        result = await run.result()
    assert result.resumes >= 1
    assert result.resumed_at is not None
    assert fal.ledger.cancels == []
    assert fal.ledger.posts == {marker_of(work): 1}


@pytest.mark.long
async def test_a_wait_of_a_killed_worker_is_resumed_by_the_next(
    temporal: Client, fal: OpenSandbox, s3: S3ObjectStore, servers: Servers, tmp_path: Path
) -> None:
    fal.play(Fault(on="work", polls=0))
    work = generation_work()
    async with _process(servers, fal, tmp_path) as first:
        run = await _start(temporal, work)
        entry = await _polled(fal)
        first.kill()
        await first.wait()
    asked_before = entry.polls
    async with _process(servers, fal, tmp_path) as second:
        await until_true(lambda: entry.polls > asked_before)
        _finish(entry)
        result = await run.result()
        second.terminate()
        assert await second.wait() == 0
    assert result.resumes >= 1
    assert (await s3.get(result.results["result_image_path"])).startswith(b"\x89PNG")
    assert fal.ledger.posts == {marker_of(work): 1}
    logs = b"".join(path.read_bytes() for path in tmp_path.glob("*.log"))
    assert b"worker_polling" in logs
    assert KEY.encode() not in logs


async def test_without_credentials_the_worker_names_the_missing_setting(
    servers: Servers, tmp_path: Path
) -> None:
    environment = {**os.environ, **servers.environment, "SARTIQ_FAL_KEY": ""}
    worker = await _launched(environment, tmp_path)
    assert await worker.wait() == 1
    (log,) = tmp_path.glob("*.log")
    assert "SARTIQ_FAL_KEY" in log.read_text()


async def _launched(environment: dict[str, str], folder: Path) -> asyncio.subprocess.Process:
    with (folder / f"{uuid.uuid4()}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "provider_worker", env=environment, stdout=log, stderr=log
        )


@asynccontextmanager
async def _process(servers: Servers, fal: OpenSandbox, folder: Path) -> AsyncIterator[Any]:
    """Run a worker in a separate process, once it is ready."""
    ready = folder / f"{uuid.uuid4()}.ready"
    worker = await _launched(
        {
            **os.environ,
            **servers.environment,
            "SARTIQ_TEMPORAL_NAMESPACE": f"{servers.endpoints.namespace}-{_NAMESPACE}",
            "SARTIQ_FAL_KEY": KEY,
            "SARTIQ_FAL_BASE_URL": fal.url,
            "SARTIQ_FAL_POLL_INTERVAL_S": "0.05",
            "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
            "SARTIQ_WORKER_READY_FILE": str(ready),
            "SARTIQ_WORKER_DRAIN_TIMEOUT_S": "0.2",
        },
        folder,
    )
    try:
        await until_true(ready.exists)
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
