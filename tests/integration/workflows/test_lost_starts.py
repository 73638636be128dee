"""Starts that Temporal did not acknowledge: one subject, one run, whatever became of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from temporalio.client import WorkflowExecutionStatus

from shared.db.models.registry import SUBJECT_TABLES
from shared.db.models.tables import Task
from tests.fakes.lost_starts import Fate, Starts, with_starts
from tests.fixtures.crew import crew, workflow_worker
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add, runnable_task
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_creation import KINDS
from tests.integration.api_gateway.test_training import away
from tests.integration.api_gateway.test_workflow_lifecycle import reached, statuses
from tests.integration.api_gateway.test_workflows import GENERATE, REFINE, workflow
from tests.integration.workflows.test_reconcile import reconcile, status_of
from workflows.acknowledgement import RunRefusedError
from workflows.activities import reconcile as reconciliation
from workflows.activities.run_states import describe
from workflows.control import cancel_run
from workflows.starts import start_task

pytestmark = pytest.mark.usefixtures("alone")

WORKFLOWS = "/api/v1/workflows/"
RUNNING = WorkflowExecutionStatus.RUNNING


@asynccontextmanager
async def gateway_with(gateway: Gateway, starts: Starts) -> AsyncIterator[httpx.AsyncClient]:
    temporal = with_starts(gateway.resources.temporal, starts)
    async with gateway.client(temporal=temporal) as client:
        yield client


async def created(client: httpx.AsyncClient, body: Any, **headers: str) -> dict[str, Any]:
    answer = await client.post(WORKFLOWS, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def num_rows(gateway: Gateway, kind: str) -> int:
    table = SUBJECT_TABLES[kind]
    async with gateway.resources.sessions() as session:
        rows = select(func.count()).select_from(table)
        if table is Task:
            rows = rows.where(Task.workflow_id.is_(None))
        return await session.scalar(rows) or 0


async def has_run(gateway: Gateway, temporal_id: str) -> bool:
    return await describe(gateway.resources.temporal, temporal_id) is not None


async def listed(api: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    found = (await api.get(KINDS[kind][0])).json()
    return found["workflows"] if kind == "workflow" else found


async def cancel(api: httpx.AsyncClient, kind: str, made: dict[str, Any]) -> httpx.Response:
    item = f"{KINDS[kind][0]}{made['id']}"
    return await api.delete(item) if kind == "workflow" else await api.post(f"{item}/cancel")


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.LOST])
async def test_each_key_and_each_request_without_one_is_one_subject_and_one_run(
    gateway: Gateway, api: httpx.AsyncClient, fate: Fate
) -> None:
    headers, items = {"Idempotency-Key": uuid.uuid4().hex}, dict[str, str]()
    async with gateway_with(gateway, Starts(fate)) as client:
        for kind, (path, body) in KINDS.items():
            first = await client.post(path, json=body, headers=headers)
            keyless = await client.post(path, json=body)
            repeat = await client.post(path, json=body, headers=headers)
            late = await api.post(path, json=body, headers=headers)
            assert [a.status_code for a in (first, keyless, repeat, late)] == [201] * 4
            assert first.json()["status"] == ("RUNNING" if kind == "workflow" else "PENDING")
            assert first.json() == repeat.json() == late.json()
            for made in (first.json(), keyless.json()):
                items[f"{kind}-{made['id']}"] = f"{path}{made['id']}"

    assert (await reconcile(gateway)).started == (6 if fate is Fate.LOST else 0)

    assert {await status_of(gateway, temporal_id) for temporal_id in items} == {RUNNING}
    async with crew(gateway):
        for item in items.values():

            async def is_done(item: str = item) -> bool:
                return (await api.get(item)).json()["status"] == "COMPLETED"

            if "training" not in item:  # which no worker of the crew does
                await until(is_done)
    assert [await num_rows(gateway, kind) for kind in KINDS] == [2, 2, 2]


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.LOST])
async def test_start_and_resume_of_a_workflow_are_made_good(
    gateway: Gateway, api: httpx.AsyncClient, fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "RESUMES_WITHIN", timedelta())
    waiting = (await api.post(WORKFLOWS, json=workflow(GENERATE), params={"start": "false"})).json()
    path = f"{WORKFLOWS}{waiting['id']}"
    num_started = 1 if fate is Fate.LOST else 0
    async with gateway_with(gateway, Starts(fate)) as client:
        started = await client.post(f"{path}/start")
        assert (started.status_code, started.json()["status"]) == (200, "RUNNING")
        assert (await reconcile(gateway)).started == num_started
        handle = gateway.resources.temporal.get_workflow_handle(waiting["canvas_task_id"])
        await handle.terminate()
        assert (await reconcile(gateway)).closed == 1

        resumed = await client.post(f"{path}/resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "RUNNING")
        assert (await reconcile(gateway)).started == num_started
    async with crew(gateway):
        assert (await reached(api, waiting, "COMPLETED", "FAILED"))["status"] == "COMPLETED"


async def test_resume_that_may_be_under_way_is_not_started_beside_it(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    made = await created(api, workflow(GENERATE))
    await gateway.resources.temporal.get_workflow_handle(made["canvas_task_id"]).terminate()
    assert (await reconcile(gateway)).closed == 1
    async with gateway_with(gateway, Starts(Fate.LOST)) as client:
        assert (await client.post(f"{WORKFLOWS}{made['id']}/resume")).status_code == 200

    done = await reconcile(gateway)

    assert (done.started, done.closed) == (0, 0)


async def test_refused_start_is_failed_and_its_key_is_free(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    for kind, (path, body) in KINDS.items():
        async with gateway_with(gateway, Starts(Fate.REFUSED)) as client:
            refused = await client.post(path, json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "run_refused")
        [failed] = await listed(api, kind)
        assert (failed["status"], failed["completed_at"] is None) == ("FAILED", False)
        assert "Temporal refused to start its run" in str(failed)

        again = await api.post(path, json=body, headers=headers)
        assert again.status_code == 201
        assert again.json()["id"] != failed["id"]
    assert (await reconcile(gateway)).started == 0


async def test_what_temporal_refuses_is_ended_by_the_reconciler(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = runnable_task(inputs={"prompt": "x" * 2_200_000, "width": 64, "height": 64, "seed": 7})
    await add(gateway.resources.sessions, task)
    with pytest.raises(RunRefusedError):
        await start_task(gateway.resources.temporal, task)

    done = await reconcile(gateway)

    assert (done.started, done.closed, done.failed) == (0, 1, 0)
    failed = (await api.get(f"/api/v1/tasks/{task.id}")).json()
    assert (failed["status"], failed["error_category"]) == ("FAILED", "INTERNAL")


async def test_cancelled_before_its_start_came_through_is_not_started(
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


async def test_resume_cancelled_before_its_start_came_through_is_not_started(
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
async def test_start_that_comes_through_after_the_cancellation_is_called_back(
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
        await _closes(gateway, f"{kind}-{made['id']}", WorkflowExecutionStatus.CANCELED)
    assert (await api.get(f"{path}{made['id']}")).json()["status"] == "CANCELLED"


async def test_pause_before_the_start_came_through_holds_until_the_resume(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with gateway_with(gateway, Starts(Fate.LOST)) as client:
        made = await created(client, workflow(GENERATE))
    paused = await api.post(f"{WORKFLOWS}{made['id']}/pause")
    assert (paused.status_code, paused.json()["status"]) == (200, "PAUSED")
    assert (await reconcile(gateway)).started == 0
    assert not await has_run(gateway, made["canvas_task_id"])

    async with crew(gateway):
        resumed = await api.post(f"{WORKFLOWS}{made['id']}/resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "RUNNING")
        assert (await reached(api, made, "COMPLETED", "FAILED"))["status"] == "COMPLETED"


async def test_start_that_comes_through_after_the_pause_is_paused(
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
        await _closes(gateway, made["canvas_task_id"], WorkflowExecutionStatus.COMPLETED)
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


async def test_run_that_did_not_hear_of_a_cancelled_step_is_told_again(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    made = await created(api, workflow(GENERATE, REFINE))
    refine = next(s["task_id"] for s in made["steps"] if s["step_id"] == "refine")
    async with gateway.client(temporal=await away()) as cut_off:
        assert (await cut_off.post(f"/api/v1/tasks/{refine}/cancel")).status_code == 200
    await reconcile(gateway)

    async with workflow_worker(gateway):
        # Without an inference worker: the first step never ends unless the run has heard.
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

    async with crew(gateway):
        await _closes(gateway, made["canvas_task_id"], WorkflowExecutionStatus.COMPLETED)
    assert (await api.get(f"{WORKFLOWS}{made['id']}")).json()["status"] in {"PAUSED", "COMPLETED"}


async def _closes(gateway: Gateway, temporal_id: str, status: WorkflowExecutionStatus) -> None:
    async def has_closed() -> bool:
        return await status_of(gateway, temporal_id) != RUNNING

    await until(has_closed)
    assert await status_of(gateway, temporal_id) == status
