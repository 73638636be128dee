"""Workflows from start to end: start, cancel, pause, resume, rename, clean up."""

import uuid
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway
from tests.fixtures.workers import all_workers, inference_worker, workflow_worker
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_workflows import GENERATE, REFINE, workflow

SLOW = GENERATE | {"id": "slow"}
SLOW["config"] = GENERATE["config"] | {"num_inference_steps": 200}
AFTER_SLOW = GENERATE | {"id": "after", "depends_on": ["slow"]}
BROKEN = REFINE | {"config": REFINE["config"] | {"target_width": 65_536}}


async def create(api: httpx.AsyncClient, *steps: dict[str, Any], **params: Any) -> dict[str, Any]:
    answer = await api.post("/api/v1/workflows/", json=workflow(*steps), params=params)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def read(api: httpx.AsyncClient, created: dict[str, Any]) -> dict[str, Any]:
    return (await api.get(f"/api/v1/workflows/{created['id']}")).json()


async def reached(api: httpx.AsyncClient, created: dict[str, Any], *states: str) -> dict[str, Any]:
    """Return the workflow once it is in one of the states."""
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        found[:] = [await read(api, created)]
        return found[0]["status"] in states

    await until(is_there)
    return found[0]


async def step_runs(api: httpx.AsyncClient, created: dict[str, Any], step_id: str) -> None:
    """Wait until a worker runs a step."""

    async def is_running() -> bool:
        steps = (await read(api, created))["steps"]
        return any(s["step_id"] == step_id and s["status"] == "RUNNING" for s in steps)

    await until(is_running)


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {step["step_id"]: step["status"] for step in found["steps"]}


async def test_workflow_waits_for_its_start(gateway: Gateway, api: httpx.AsyncClient) -> None:
    created = await create(api, GENERATE, REFINE, start="false")
    assert (created["status"], created["started_at"]) == ("PENDING", None)
    path = f"/api/v1/workflows/{created['id']}/start"

    started = await api.post(path)
    assert (started.status_code, started.json()["status"]) == (200, "RUNNING")
    again = await api.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    async with all_workers(gateway):
        done = await reached(api, created, "COMPLETED", "FAILED")

    assert done["status"] == "COMPLETED", done
    assert (done["progress"], done["completed_steps"]) == (100, 2)
    assert done["final_step_result"]["result_image_path"].startswith("refines/")


async def test_cancel_ends_every_task(gateway: Gateway, api: httpx.AsyncClient) -> None:
    async with all_workers(gateway, step_s=0.2):
        created = await create(api, SLOW, AFTER_SLOW)
        await step_runs(api, created, "slow")
        answer = await api.delete(f"/api/v1/workflows/{created['id']}")
        assert answer.status_code == 200
        done = await reached(api, created, "CANCELLED")

    assert statuses(done) == {"slow": "CANCELLED", "after": "CANCELLED"}
    for step in done["steps"]:
        task = (await api.get(f"/api/v1/tasks/{step['task_id']}")).json()
        assert task["status"] == "CANCELLED"
    again = await api.delete(f"/api/v1/workflows/{created['id']}")
    assert (again.status_code, again.json()["status"]) == (200, "CANCELLED")
    for action in ("start", "pause", "resume"):
        refused = await api.post(f"/api/v1/workflows/{created['id']}/{action}")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_workflow_that_has_not_been_started_is_cancelled_in_the_records(
    api: httpx.AsyncClient,
) -> None:
    created = await create(api, GENERATE, start="false")
    answer = await api.delete(f"/api/v1/workflows/{created['id']}")
    assert answer.json()["status"] == "CANCELLED"
    assert statuses(answer.json()) == {"generate": "CANCELLED"}


async def test_cancelled_step_ends_its_workflow_and_no_other_task(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    other = GENERATE | {"id": "other"}
    async with all_workers(gateway, step_s=0.1):
        created = await create(api, SLOW, AFTER_SLOW, other)
        await step_runs(api, created, "slow")
        task_id = next(s["task_id"] for s in created["steps"] if s["step_id"] == "slow")
        assert (await api.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 200
        done = await reached(api, created, "CANCELLED", "FAILED", "COMPLETED")

    assert done["status"] == "CANCELLED"
    assert statuses(done) == {"slow": "CANCELLED", "after": "CANCELLED", "other": "COMPLETED"}


async def test_pause_lets_running_steps_end_and_resume_goes_on(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    slow = SLOW | {"config": SLOW["config"] | {"num_inference_steps": 40}}
    async with all_workers(gateway, step_s=0.1):
        created = await create(api, slow, AFTER_SLOW)
        await step_runs(api, created, "slow")
        answer = await api.post(f"/api/v1/workflows/{created['id']}/pause")
        assert answer.status_code == 200
        paused = await reached(api, created, "PAUSED")
        assert statuses(paused) == {"slow": "COMPLETED", "after": "PENDING"}
        assert paused["completed_at"] is None
        again = await api.post(f"/api/v1/workflows/{created['id']}/pause")
        assert (again.status_code, again.json()["status"]) == (200, "PAUSED")

        resumed = await api.post(f"/api/v1/workflows/{created['id']}/resume")
        assert (resumed.status_code, resumed.json()["status"]) == (200, "RUNNING")
        done = await reached(api, created, "COMPLETED", "FAILED")

    assert done["status"] == "COMPLETED", done
    before = {step["step_id"]: step for step in paused["steps"]}
    after = {step["step_id"]: step for step in done["steps"]}
    assert after["slow"] == before["slow"]


async def test_failed_workflow_resumes_with_a_new_task_for_what_failed(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    # Too large for the worker; the gateway cannot know the size of a mapped image.
    broken = REFINE | {"config": {"upscale_factor": 16.0}}
    steps = [GENERATE]
    for index in range(4):
        previous = "generate" if index == 0 else f"refine-{index - 1}"
        mapping = REFINE["input_mappings"][0] | {"from_step": previous}
        fields = {"id": f"refine-{index}", "depends_on": [previous], "input_mappings": [mapping]}
        steps.append(broken | fields)
    async with all_workers(gateway):
        created = await create(api, *steps)
        failed = await reached(api, created, "FAILED", "COMPLETED")
        assert failed["status"] == "FAILED", failed
        bad = next(step for step in failed["steps"] if step["status"] == "FAILED")
        assert bad["error_message"] in failed["error_message"]
        answer = await api.post(f"/api/v1/workflows/{created['id']}/resume")
        assert answer.status_code == 200, answer.text
        assert answer.json()["error_message"] is None
        again = await reached(api, created, "FAILED", "COMPLETED")

    assert again["status"] == "FAILED"
    old = {step["step_id"]: step for step in failed["steps"]}
    for step in again["steps"]:
        is_same = step["task_id"] == old[step["step_id"]]["task_id"]
        assert is_same == (old[step["step_id"]]["status"] != "FAILED")
    assert (await api.get(f"/api/v1/tasks/{bad['task_id']}")).json()["status"] == "FAILED"


async def test_names_change_and_nothing_else(gateway: Gateway, api: httpx.AsyncClient) -> None:
    created = await create(api, GENERATE, start="false")
    path = f"/api/v1/workflows/{created['id']}"
    change = {"name": "two", "description": "d", "webhook_url": "https://example.com/hook"}

    answer = await api.patch(path, json=change | {"status": "COMPLETED"})

    assert answer.json() | change | {"status": "PENDING"} == answer.json()
    cleared = await api.patch(path, json={"description": None, "name": None})
    assert (cleared.json()["description"], cleared.json()["name"]) == (None, "two")
    assert (await api.patch(path, json={"name": ""})).status_code == 422
    private = await api.patch(path, json={"webhook_url": "http://127.0.0.1/hook"})
    assert private.status_code == 422


async def test_clean_up_removes_files_and_hides_workflow_and_tasks(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with all_workers(gateway):
        created = await create(api, GENERATE, REFINE)
        done = await reached(api, created, "COMPLETED")
        answer = await api.post(f"/api/v1/workflows/{created['id']}/cleanup")

    assert answer.status_code == 200, answer.text
    cleanup = answer.json()["cleanup"]
    assert (cleanup["tasks_processed"], cleanup["tasks_cleaned"]) == (2, 2)
    assert cleanup["errors"] == []
    assert done["final_step_result"]["result_image_path"] in cleanup["deleted_paths"]
    assert answer.json()["workflow"]["is_deleted"] is True
    for step in done["steps"]:
        assert await gateway.resources.objects.list(f"{step['task_id']}") == []
        task = (await api.get(f"/api/v1/tasks/{step['task_id']}")).json()
        assert task["is_deleted"] is True
    listed = (await api.get("/api/v1/workflows/")).json()["workflows"]
    assert created["id"] not in [found["id"] for found in listed]
    shown = (await api.get("/api/v1/workflows/?include_deleted=true")).json()["workflows"]
    assert created["id"] in [found["id"] for found in shown]
    again = await api.post(f"/api/v1/workflows/{created['id']}/cleanup")
    assert again.json()["cleanup"]["deleted_paths"] == []


async def test_clean_up_may_keep_the_files(gateway: Gateway, api: httpx.AsyncClient) -> None:
    async with all_workers(gateway):
        created = await create(api, GENERATE)
        done = await reached(api, created, "COMPLETED")
    path = f"/api/v1/workflows/{created['id']}/cleanup?cleanup_tasks=false"
    answer = await api.post(path)
    assert answer.json()["cleanup"]["tasks_processed"] == 0
    picture = done["final_step_result"]["result_image_path"]
    assert (await api.get(f"/api/v1/storage/images/{picture}")).status_code == 200


async def test_running_workflow_is_cancelled_before_it_is_cleaned_up(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with workflow_worker(gateway), inference_worker(gateway, step_s=0.2):
        created = await create(api, SLOW, AFTER_SLOW)
        await step_runs(api, created, "slow")
        answer = await api.post(f"/api/v1/workflows/{created['id']}/cleanup")
    assert answer.status_code == 200, answer.text
    assert answer.json()["workflow"]["status"] == "CANCELLED"


async def test_same_key_gets_the_first_workflow_again(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = workflow(GENERATE)
    first, again = [
        await api.post("/api/v1/workflows/?start=false", json=body, headers=headers)
        for _ in range(2)
    ]
    assert first.json() == again.json()
    # `start` is part of the request.
    started = await api.post("/api/v1/workflows/", json=body, headers=headers)
    assert started.json()["id"] != first.json()["id"]
    await gateway.resources.temporal.get_workflow_handle(
        started.json()["canvas_task_id"]
    ).terminate()


@pytest.mark.parametrize("action", ["start", "pause", "resume", "cleanup"])
async def test_unknown_workflow_is_404(api: httpx.AsyncClient, action: str) -> None:
    path = f"/api/v1/workflows/{uuid.uuid4()}"
    assert (await api.post(f"{path}/{action}")).status_code == 404
    assert (await api.delete(path)).status_code == 404
    assert (await api.patch(path, json={"name": "x"})).status_code == 404
