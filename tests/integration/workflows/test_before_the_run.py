"""Requests for a subject before its run exists take effect, whenever the start arrives."""

import asyncio
import uuid
from datetime import timedelta

import httpx
import pytest
from temporalio.client import WorkflowExecutionStatus

from shared.db.models.registry import SUBJECT_TABLES
from tests.fakes.lost_starts import Fate, Starts
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import runnable_task
from tests.fixtures.workers import all_workers, workflow_worker
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_creation import KINDS
from tests.integration.api_gateway.test_training import away
from tests.integration.api_gateway.test_workflow_lifecycle import reached, statuses
from tests.integration.api_gateway.test_workflows import GENERATE, REFINE, workflow
from tests.integration.workflows.lost_starts import (
    WORKFLOWS,
    cancel,
    closes,
    created,
    gateway_with,
    has_run,
    listed,
)
from tests.integration.workflows.test_reconcile import reconcile
from workflows.activities import reconcile as reconciliation
from workflows.control import cancel_run
from workflows.starts import start_task

pytestmark = pytest.mark.usefixtures("alone")


async def test_cancelled_before_its_start_arrived_is_not_started(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with gateway_with(gateway, Starts(Fate.LOST)) as client:
        made = [(await client.post(path, json=body)).json() for path, body in KINDS.values()]
    for kind, each in zip(KINDS, made, strict=True):
        cancelled = await cancel(api, kind, each)
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")

    assert (await reconcile(gateway)).started == 0

    for kind, each in zip(KINDS, made, strict=True):
        assert not await has_run(gateway, f"{kind}-{each['id']}")
        if kind != "training":  # has none
            cleaned = await api.post(f"{KINDS[kind][0]}{each['id']}/cleanup")
            assert cleaned.status_code == 200, cleaned.text


async def test_resume_cancelled_before_its_start_arrived_is_not_started(
    gateway: Gateway, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "RESUMES_WITHIN", timedelta())
    made = await created(api, workflow(GENERATE))
    await gateway.resources.temporal.get_workflow_handle(made["canvas_task_id"]).terminate()
    assert (await reconcile(gateway)).closed == 1
    async with gateway_with(gateway, Starts(Fate.LOST)) as client:
        assert (await client.post(f"{WORKFLOWS}{made['id']}/resume")).status_code == 200

    cancelled = await cancel(api, "workflow", made)

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert statuses(cancelled.json()) == {"generate": "CANCELLED"}
    assert (await reconcile(gateway)).started == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_start_that_arrives_after_the_cancellation_is_cancelled(
    gateway: Gateway, api: httpx.AsyncClient, kind: str
) -> None:
    path, body = KINDS[kind]
    starts = Starts(Fate.HELD)
    async with gateway_with(gateway, starts) as client:
        creating = asyncio.create_task(client.post(path, json=body))
        await asyncio.wait_for(starts.arrived.wait(), 20)
        [made] = await listed(api, kind)
        await cancel(api, kind, made)
        starts.let_go.set()
        assert (await creating).status_code == 201

    async with workflow_worker(gateway):
        await closes(gateway, f"{kind}-{made['id']}", WorkflowExecutionStatus.CANCELED)
    assert (await api.get(f"{path}{made['id']}")).json()["status"] == "CANCELLED"


async def test_pause_before_the_start_arrived_lasts_until_the_resume(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with gateway_with(gateway, Starts(Fate.LOST)) as client:
        made = await created(client, workflow(GENERATE))
    paused = await api.post(f"{WORKFLOWS}{made['id']}/pause")
    assert (paused.status_code, paused.json()["status"]) == (200, "PAUSED")
    assert (await reconcile(gateway)).started == 0
    assert not await has_run(gateway, made["canvas_task_id"])

    async with all_workers(gateway):
        resumed = await api.post(f"{WORKFLOWS}{made['id']}/resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "RUNNING")
        assert (await reached(api, made, "COMPLETED", "FAILED"))["status"] == "COMPLETED"


async def test_start_that_arrives_after_the_pause_is_paused(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    starts = Starts(Fate.HELD)
    async with gateway_with(gateway, starts) as client:
        creating = asyncio.create_task(client.post(WORKFLOWS, json=workflow(GENERATE)))
        await asyncio.wait_for(starts.arrived.wait(), 20)
        [made] = await listed(api, "workflow")
        paused = await api.post(f"{WORKFLOWS}{made['id']}/pause")
        assert paused.json()["status"] == "PAUSED"
        starts.let_go.set()
        assert (await creating).status_code == 201

    async with workflow_worker(gateway):
        await closes(gateway, made["canvas_task_id"], WorkflowExecutionStatus.COMPLETED)
    assert (await reached(api, made, "PAUSED"))["status"] == "PAUSED"


async def test_step_cancelled_before_its_workflows_run_ends_the_workflow_as_cancelled(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with gateway_with(gateway, Starts(Fate.LOST)) as client:
        made = await created(client, workflow(GENERATE, REFINE))
    task_id = next(s["task_id"] for s in made["steps"] if s["step_id"] == "generate")
    cancelled = await api.post(f"/api/v1/tasks/{task_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")

    done = await reconcile(gateway)

    assert (done.started, done.closed) == (0, 1)
    ended = (await api.get(f"{WORKFLOWS}{made['id']}")).json()
    assert (ended["status"], ended["error_message"]) == ("CANCELLED", None)
    assert statuses(ended) == {"generate": "CANCELLED", "refine": "CANCELLED"}
    assert not await has_run(gateway, made["canvas_task_id"])


async def test_lost_cancellation_of_a_step_is_repeated(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    made = await created(api, workflow(GENERATE, REFINE))
    refine = next(s["task_id"] for s in made["steps"] if s["step_id"] == "refine")
    async with gateway.client(temporal=await away()) as cut_off:
        assert (await cut_off.post(f"/api/v1/tasks/{refine}/cancel")).status_code == 200
    await reconcile(gateway)

    async with workflow_worker(gateway):
        # Without an inference worker: the first step ends only if the run receives the request.
        generate = next(s["task_id"] for s in made["steps"] if s["step_id"] == "generate")
        history = await gateway.resources.temporal.get_workflow_handle(
            made["canvas_task_id"]
        ).fetch_history()
        signals = [
            event.workflow_execution_signaled_event_attributes.signal_name
            for event in history.events
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]
        assert signals == ["cancel_step"]
        await api.post(f"/api/v1/tasks/{generate}/cancel")
        ended = await reached(api, made, "CANCELLED", "FAILED")
    assert ended["status"] == "CANCELLED"


async def test_one_run_of_a_workflow_is_cancelled_and_no_later_one(gateway: Gateway) -> None:
    temporal, task = gateway.resources.temporal, runnable_task()
    await start_task(temporal, task)
    handle = temporal.get_workflow_handle(task.temporal_id)
    first = (await handle.describe()).run_id
    await handle.terminate()
    second = await temporal.start_workflow(
        "Task", id=task.temporal_id, task_queue="nobody-polls-this"
    )

    async def is_told() -> bool:
        return (await second.describe()).raw_description.workflow_extended_info.cancel_requested

    await cancel_run(temporal, task.temporal_id, first)
    assert not await is_told()
    await cancel_run(temporal, task.temporal_id, second.first_execution_run_id)
    assert await is_told()
    await second.terminate()


async def test_run_of_a_paused_workflow_is_paused_by_the_reconciler_not_cancelled(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    made = await created(api, workflow(GENERATE))
    table = SUBJECT_TABLES["workflow"]
    async with gateway.resources.sessions.begin() as session:
        (await session.get_one(table, uuid.UUID(made["id"]))).status = "PAUSED"

    async def is_listed() -> bool:
        query = "ExecutionStatus = 'Running' AND WorkflowType = 'Pipeline'"
        return (await gateway.resources.temporal.count_workflows(query)).count == 1

    await until(is_listed)
    assert (await reconcile(gateway)).cancelled == 1

    async with all_workers(gateway):
        await closes(gateway, made["canvas_task_id"], WorkflowExecutionStatus.COMPLETED)
    assert (await api.get(f"{WORKFLOWS}{made['id']}")).json()["status"] in {"PAUSED", "COMPLETED"}
