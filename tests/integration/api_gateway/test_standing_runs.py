"""Runs that stand still, since their workflow task keeps failing: they can be cancelled."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from shared.temporal.stuck_runs import count_stuck_runs
from tests.fixtures.rows import add, runnable_training, task_row, workflow_row
from tests.fixtures.standing_runs import broken_worker, standing
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.conftest import Staff


async def until_reported(client: Client, num_runs: int) -> None:
    """Wait until Temporal counts runs as standing still: their task has failed five times."""

    async def are_counted() -> bool:
        return (await count_stuck_runs(client)).num_runs == num_runs

    await until(are_counted, timeout_s=60)


async def _is_terminated(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.describe()).status == WorkflowExecutionStatus.TERMINATED


async def test_what_stands_still_is_ended_by_its_cancellation(staff: Staff) -> None:
    sessions = staff.gateway.resources.sessions
    task = task_row(status="EXECUTING")
    flow = workflow_row("a", status="RUNNING")
    step = task_row(
        status="EXECUTING", workflow_id=flow.id, step_id="a", temporal_id=flow.temporal_id
    )
    training = runnable_training(status="TRAINING")
    await add(sessions, task, flow, step, training)
    client = staff.runs.client
    async with broken_worker(client), staff.client() as api:
        handles = await asyncio.gather(
            standing(client, "Task", task.temporal_id),
            standing(client, "Pipeline", flow.temporal_id),
            standing(client, "Training", training.temporal_id),
        )
        refused = await api.post(f"/api/v1/tasks/{step.id}/cancel")
        answers = await asyncio.gather(
            api.post(f"/api/v1/tasks/{task.id}/cancel"),
            api.delete(f"/api/v1/workflows/{flow.id}"),
            api.post(f"/api/v1/training/{training.id}/cancel"),
        )
        ended_step = (await api.get(f"/api/v1/tasks/{step.id}")).json()
    assert refused.status_code == 409
    assert "stands still; cancel that" in refused.text
    assert [(each.status_code, each.json()["status"]) for each in answers] == [
        (200, "CANCELLED")
    ] * 3
    assert all("ended by force" in each.text for each in answers)
    assert ended_step["status"] == "CANCELLED"
    assert all([await _is_terminated(handle) for handle in handles])


@pytest.mark.long
async def test_a_run_that_stands_still_is_shown_and_makes_no_gateway_unready(staff: Staff) -> None:
    client = staff.runs.client
    async with broken_worker(client), staff.client() as api:
        handle = await standing(client, "Task", f"task-{uuid4()}")
        await until_reported(client, 1)
        probe = await api.get("/readyz")
    assert (probe.status_code, probe.json()["details"]["runs_standing_still"]) == (200, 1)
    await handle.terminate()


async def test_what_stands_still_is_cleaned_up_though_its_record_has_ended(staff: Staff) -> None:
    task, flow = task_row(status="PENDING"), workflow_row("a", status="RUNNING")
    await add(staff.gateway.resources.sessions, task, flow)
    client = staff.runs.client
    async with broken_worker(client), staff.client() as api:
        handles = await asyncio.gather(
            standing(client, "Task", task.temporal_id),
            standing(client, "Pipeline", flow.temporal_id),
        )
        answers = await asyncio.gather(
            api.post(f"/api/v1/tasks/{task.id}/cleanup"),
            api.post(f"/api/v1/workflows/{flow.id}/cleanup"),
        )
    assert [each.status_code for each in answers] == [200, 200], [each.text for each in answers]
    assert all([await _is_terminated(handle) for handle in handles])


async def test_a_run_that_only_waits_for_a_worker_is_not_ended_by_force(staff: Staff) -> None:
    task = task_row(status="EXECUTING")
    await add(staff.gateway.resources.sessions, task)
    queue = f"nobody-{uuid4()}"
    handle = await staff.runs.client.start_workflow("Task", id=task.temporal_id, task_queue=queue)
    async with staff.client() as api:
        answer = await api.post(f"/api/v1/tasks/{task.id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "EXECUTING")
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    await handle.terminate()
