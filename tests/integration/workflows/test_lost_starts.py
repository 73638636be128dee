"""Starts without an acknowledgement: one subject, one run, in every case."""

import uuid
from datetime import timedelta

import httpx
import pytest

from tests.fakes.lost_starts import Fate, Starts
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add, runnable_task
from tests.fixtures.workers import all_workers
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_creation import KINDS
from tests.integration.api_gateway.test_workflow_lifecycle import reached
from tests.integration.api_gateway.test_workflows import GENERATE, workflow
from tests.integration.workflows.lost_starts import (
    RUNNING,
    WORKFLOWS,
    created,
    gateway_with,
    listed,
    num_rows,
)
from tests.integration.workflows.test_reconcile import reconcile, status_of
from workflows.activities import reconcile as reconciliation
from workflows.start_errors import RunRefusedError
from workflows.starts import start_task

pytestmark = pytest.mark.usefixtures("alone")


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
    async with all_workers(gateway):
        for item in items.values():

            async def is_done(item: str = item) -> bool:
                return (await api.get(item)).json()["status"] == "COMPLETED"

            if "training" not in item:  # which no worker of the platform supports
                await until(is_done)
    assert [await num_rows(gateway, kind) for kind in KINDS] == [2, 2, 2]


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.LOST])
async def test_lost_start_and_lost_resume_of_a_workflow_are_repaired(
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
    async with all_workers(gateway):
        assert (await reached(api, waiting, "COMPLETED", "FAILED"))["status"] == "COMPLETED"


async def test_resume_that_may_be_in_progress_is_not_started_again(
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


async def test_refused_start_is_ended_by_the_reconciler(
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
