"""A failed workflow continues at the failed step, as announced, proven by counting attempts."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from shared.db.models.tables import Workflow
from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_workflow
from tests.fakes.failing_steps import Provider
from tests.fixtures.event_streams import Parser
from tests.fixtures.gateway import OTHER_TENANT_KEY, Gateway
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.conftest import Staff
from tests.integration.api_gateway.test_workflow_lifecycle import create, reached, read, statuses
from tests.integration.api_gateway.test_workflows import GENERATE, REFINE
from tests.integration.api_gateway.test_workflows import workflow as workflow_of

NAMES = ["generate", "refine-1", "refine-2", "refine-3", "refine-4"]


def chain() -> list[dict[str, Any]]:
    """Create a generation that is refined four times, each from the previous result."""
    steps = [GENERATE | {"id": NAMES[0]}]
    for previous, name in pairwise(NAMES):
        mapping = REFINE["input_mappings"][0] | {"from_step": previous}
        fields = {"id": name, "depends_on": [previous], "input_mappings": [mapping]}
        steps.append(REFINE | fields | {"max_retries": 0})
    return steps


@pytest.fixture
async def shop(staff: Staff) -> AsyncIterator[httpx.AsyncClient]:
    async with staff.client() as client:
        yield client


def task_of(workflow: dict[str, Any], step_id: str) -> str:
    return next(step["task_id"] for step in workflow["steps"] if step["step_id"] == step_id)


async def failed_in_its_third_step(shop: httpx.AsyncClient, provider: Provider) -> dict[str, Any]:
    created = await create(shop, *chain(), start="false")
    provider.down_for = {task_of(created, "refine-2")}
    assert (await shop.post(f"/api/v1/workflows/{created['id']}/start")).status_code == 200
    failed = await reached(shop, created, "FAILED", "COMPLETED")
    assert statuses(failed) == dict(
        zip(NAMES, ["COMPLETED", "COMPLETED", "FAILED", "PENDING", "PENDING"], strict=True)
    )
    return failed


async def dry_run(shop: httpx.AsyncClient, workflow: dict[str, Any]) -> dict[str, Any]:
    answer = await shop.post(f"/api/v1/workflows/{workflow['id']}/resume?dry_run=true")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def resumed(shop: httpx.AsyncClient, workflow: dict[str, Any]) -> dict[str, Any]:
    answer = await shop.post(f"/api/v1/workflows/{workflow['id']}/resume")
    assert (answer.status_code, answer.json()["status"]) == (200, "RUNNING"), answer.text
    return await reached(shop, workflow, "COMPLETED", "FAILED")


async def test_third_of_five_steps_fails_and_the_first_two_are_not_run_again(
    shop: httpx.AsyncClient, provider: Provider
) -> None:
    failed = await failed_in_its_third_step(shop, provider)
    before = Counter(provider.attempts)

    plan = await dry_run(shop, failed)

    assert plan == {
        "workflow_id": failed["id"],
        "reused": [{"step_id": n, "task_id": task_of(failed, n)} for n in NAMES[:2]],
        "run": [
            {"step_id": "refine-2", "reason": "failed"},
            {"step_id": "refine-3", "reason": "not_run_yet"},
            {"step_id": "refine-4", "reason": "not_run_yet"},
        ],
    }

    provider.down_for = set()
    done = await resumed(shop, failed)

    assert done["status"] == "COMPLETED", done
    assert (done["progress"], done["final_step_id"]) == (100, "refine-4")
    again = provider.attempts - before
    assert again == Counter({task_of(done, step["step_id"]): 1 for step in plan["run"]})
    for step in plan["reused"]:
        assert task_of(done, step["step_id"]) == step["task_id"]
        assert provider.attempts[step["task_id"]] == 1


async def test_dry_run_changes_nothing(
    gateway: Gateway, shop: httpx.AsyncClient, provider: Provider
) -> None:
    failed = await failed_in_its_third_step(shop, provider)
    rows, attempts = await gateway.row_counts(), Counter(provider.attempts)
    plans = [await dry_run(shop, failed) for _ in range(3)]
    assert plans[0] == plans[1] == plans[2]
    assert await read(shop, failed) == failed
    assert await gateway.row_counts() == rows
    assert provider.attempts == attempts


@pytest.mark.long  # Temporal takes half a minute to delete it
async def test_resume_works_when_temporal_has_forgotten_the_run(
    staff: Staff, shop: httpx.AsyncClient, provider: Provider
) -> None:
    failed = await failed_in_its_third_step(shop, provider)
    client, run_id = staff.runs.client, failed["canvas_task_id"]
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id),
        )
    )

    async def is_forgotten() -> bool:
        try:
            await client.get_workflow_handle(run_id).describe()
        except RPCError as error:
            return error.status == RPCStatusCode.NOT_FOUND
        return False

    await until(is_forgotten, timeout_s=90)
    plan = await dry_run(shop, failed)
    before = Counter(provider.attempts)
    provider.down_for = set()

    done = await resumed(shop, failed)

    assert done["status"] == "COMPLETED", done
    again = provider.attempts - before
    assert set(again) == {task_of(done, step["step_id"]) for step in plan["run"]}


async def test_stream_tells_of_the_failure_the_resume_and_the_end(
    shop: httpx.AsyncClient, provider: Provider
) -> None:
    failed = await failed_in_its_third_step(shop, provider)
    path = f"/api/v1/workflows/{failed['id']}/events"
    first = Parser()
    first.feed((await shop.get(path)).text)
    last = first.events[-1].id
    assert first.events[-1].status == "FAILED"
    headers = {"Last-Event-ID": str(last)}
    assert (await shop.get(path, headers=headers)).status_code == 204

    provider.down_for = set()
    await resumed(shop, failed)

    second = Parser()
    second.feed((await shop.get(path, headers=headers)).text)
    assert second.events[0].status == "RUNNING"
    assert second.events[-1].status == "COMPLETED"
    ids = [event.id for event in first.events + second.events]
    assert ids == list(range(1, len(ids) + 1))
    assert second.events[-1].data["completed_steps"] == 5


async def test_dry_run_says_what_was_cancelled_or_interrupted(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    created = await create(api, *(GENERATE | {"id": name} for name in "abcd"), start="false")
    states = ("COMPLETED", "CANCELLED", "RUNNING", "PENDING")
    async with gateway.resources.sessions.begin() as session:
        found = await find_workflow(session, Scope(), uuid.UUID(created["id"]), lock=True)
        assert found is not None
        found.status = "PAUSED"
        for step, status in zip(found.steps, states, strict=True):
            step.status = status
    plan = await dry_run(api, created)
    assert [step["step_id"] for step in plan["reused"]] == ["a"]
    assert [step["reason"] for step in plan["run"]] == ["cancelled", "interrupted", "not_run_yet"]


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_what_cannot_be_resumed_cannot_be_planned(gateway: Gateway, query: str) -> None:
    unknown = f"/api/v1/workflows/{uuid.uuid4()}/resume{query}"
    async with gateway.client() as api, gateway.client(OTHER_TENANT_KEY) as stranger:
        created = await create(api, GENERATE, start="false")
        path = f"/api/v1/workflows/{created['id']}/resume{query}"
        assert (await api.post(unknown)).status_code == 404
        assert (await stranger.post(path)).status_code == 404
        refused = await api.post(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_workflow_whose_task_was_deleted_is_not_resumed(
    gateway: Gateway, shop: httpx.AsyncClient, provider: Provider, query: str
) -> None:
    failed = await failed_in_its_third_step(shop, provider)
    deleted = await shop.delete(f"/api/v1/tasks/{task_of(failed, 'refine-1')}")
    assert deleted.status_code == 200, deleted.text
    answer = await shop.post(f"/api/v1/workflows/{failed['id']}/resume{query}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "refine-1" in answer.json()["detail"]
    assert (await read(shop, failed))["status"] == "FAILED"


async def test_a_resume_while_the_failed_run_is_closing_is_told_to_come_again(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    """The record is FAILED already, but its run has not closed: a new one could not start."""
    created = (await api.post("/api/v1/workflows/", json=workflow_of(GENERATE))).json()
    async with gateway.resources.sessions.begin() as session:
        rows = update(Workflow).where(Workflow.id == uuid.UUID(created["id"]))
        await session.execute(rows.values(status="FAILED"))
    answer = await api.post(f"/api/v1/workflows/{created['id']}/resume")
    assert answer.status_code == 409
    assert "still closing" in answer.json()["detail"]
    await gateway.resources.temporal.get_workflow_handle(created["canvas_task_id"]).terminate()
    assert (await api.post(f"/api/v1/workflows/{created['id']}/resume")).status_code == 200
