"""Deliveries after a crash, and the history size of a delivery."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.responses import Response
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

from shared.db.session import Sessions
from tests.fixtures.deliveries import GENERATION, DeliveryHarness
from tests.fixtures.receiver import Post, Receiver, refuse
from tests.fixtures.workflow_runs import kinds
from workflows.activities.overdue_deliveries import start_overdue

pytestmark = pytest.mark.long


async def test_delivery_with_a_lost_wake_up_is_found_and_started(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    """Create the state of a gateway that was killed between its commit and the wake-up."""
    silent = harness.gateway.client(guard=harness.gateway.resources.guard, sessions=sessions)
    async with silent as api:
        answer = await api.post("/api/v1/tasks/", json=GENERATION | {"webhook_url": receiver.url()})
    task_id = answer.json()["id"]
    assert await harness.run_status(task_id) is None

    await start_overdue(harness.temporal, sessions, datetime.now(UTC) - timedelta(minutes=1))
    assert await harness.run_status(task_id) is None
    await start_overdue(harness.temporal, sessions, datetime.now(UTC))
    assert await harness.run_status(task_id) == WorkflowExecutionStatus.RUNNING
    await start_overdue(harness.temporal, sessions, datetime.now(UTC))
    async with harness.worker():
        await receiver.until_status(task_id, "PENDING")
        await harness.until_run(task_id, WorkflowExecutionStatus.COMPLETED)
    history = await harness.temporal.get_workflow_handle(f"delivery-{task_id}").fetch_history()
    assert _events_without_lost_tasks(history) == 13, kinds(history)  # with a signal of each pass


async def test_wake_up_costs_one_event_of_a_delivery(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    task_id = await harness.create_task(receiver.url())
    await harness.until_run(task_id, WorkflowExecutionStatus.RUNNING)
    async with harness.worker():
        await harness.until_run(task_id, WorkflowExecutionStatus.COMPLETED)
    history = await harness.temporal.get_workflow_handle(f"delivery-{task_id}").fetch_history()
    assert _events_without_lost_tasks(history) == 12, kinds(history)


def _events_without_lost_tasks(history: WorkflowHistory) -> int:
    """Count the events without the two of each workflow task that a slow server lost."""
    return len(history.events) - 2 * kinds(history).count("WORKFLOW_TASK_TIMED_OUT")


@asynccontextmanager
async def worker_process(harness: DeliveryHarness) -> AsyncIterator[asyncio.subprocess.Process]:
    root = Path(__file__).parents[3]
    environment = os.environ | harness.gateway.stack.environment
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fixtures.deliveries_process",
        "to-be-killed",
        cwd=root,
        env=environment
        | {
            "SARTIQ_TEMPORAL_NAMESPACE": harness.temporal.namespace,
            "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
        },
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_worker_killed_between_response_and_record_delivers_again_under_the_same_id(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    async with worker_process(harness) as process:

        async def kill(_post: Post) -> Response:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            return Response()

        receiver.answer = kill
        task_id = await harness.create_task(receiver.url())
        await receiver.until(bool, timeout_s=60)
        await process.wait()
    [logged] = await harness.deliveries(subject_id=task_id)
    assert (logged["status"], logged["attempts"]) == ("pending", [])
    receiver.answer = refuse(204)
    async with harness.worker():
        await receiver.until(lambda posts: len(posts) == 2, timeout_s=60)
        [logged] = await harness.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
    first, again = receiver.posts
    assert (first.id, first.body) == (again.id, again.body)
    assert first.id == logged["webhook_id"]
