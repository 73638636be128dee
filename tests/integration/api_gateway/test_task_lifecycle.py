"""Tasks from creation to their end: every type, lists, changes, cancellation, removal."""

import base64
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from shared.db.models.tables import Event, StoredObject, Task
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.workers import all_workers
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_tasks import GENERATION, PNG, REFINE

PICTURE = base64.b64encode(PNG).decode()
ORIGIN = {"origin_instance": "shop"}

EVERY_TYPE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"task_type": "GENERATION", "prompt": "a"}, {"provider_type": "local"}),
    ({"task_type": "REFINE", "base_image_url": PICTURE, "upscale_factor": 2}, {}),
    (
        {"task_type": "EDITING", "prompt": "a", "base_image": PICTURE},
        {"provider_type": "vertex", "width": 1024},
    ),
    (
        {"task_type": "EDITING", "prompt": "a", "base_image": PICTURE, "provider_type": "local"},
        {"width": 64, "height": 64},
    ),
    (
        {"task_type": "VIDEO_GENERATION", "prompt": "a", "input_image_data": PICTURE},
        {"provider_type": "fal_standard", "provider_config": None},
    ),
    ({"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "fal-ai/x"}, {"fal_app_id": "fal-ai/x"}),
    (
        {"task_type": "LLM_INTERACTION", "prompt": "a", "input_images": [PICTURE]},
        {"provider_type": "ai_core"},
    ),
    ({"task_type": "BACKGROUND_REMOVAL", "input_image_paths": [PICTURE, PICTURE]}, {}),
    (
        {
            "task_type": "DETAIL_ENHANCER",
            "base_image": PICTURE,
            "reference_image": PICTURE,
            "detail_label": "collar",
        },
        {"provider_type": "sartiq_ultimate_garment_fixer"},
    ),
    (
        {"task_type": "BACKGROUND_FIX", "base_image": PICTURE, "palette_image": PICTURE},
        {"provider_type": "local"},
    ),
    (
        {"task_type": "IMAGE_ADJUSTER", "input_image": PICTURE, "aspect_ratio": 0.8},
        {"provider_type": "local"},
    ),
    ({"task_type": "FACE_ENHANCER", "input_image": PICTURE}, {}),
]


@pytest.fixture
async def working(gateway: Gateway) -> AsyncIterator[None]:
    async with all_workers(gateway):
        yield


async def ended(api: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """Return the task once it has ended."""
    answers: list[dict[str, Any]] = []

    async def has_ended() -> bool:
        answers[:] = [(await api.get(f"/api/v1/tasks/{task_id}")).json()]
        return answers[0]["status"] in {"COMPLETED", "FAILED", "CANCELLED"}

    await until(has_ended)
    return answers[0]


async def create(api: httpx.AsyncClient, body: dict[str, Any] = GENERATION) -> dict[str, Any]:
    answer = await api.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def stop(gateway: Gateway, task: dict[str, Any]) -> None:
    handle = gateway.resources.temporal.get_workflow_handle(task["celery_task_id"])
    await handle.terminate()


@pytest.mark.parametrize(("fields", "expected"), EVERY_TYPE)
async def test_every_type_is_accepted_queued_and_visible(
    gateway: Gateway, api: httpx.AsyncClient, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    task = await create(api, fields | ORIGIN)

    assert task["status"] == "PENDING"
    assert task | expected == task
    assert (await api.get(f"/api/v1/tasks/{task['id']}")).json() == task
    for name in (name for name in task if name.endswith("_path") and task[name]):
        if not name.startswith("result"):
            served = await api.get(f"/api/v1/storage/images/{task[name]}")
            assert served.content == PNG, name
    await stop(gateway, task)


async def test_deprecated_editing_fields_are_mapped(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    body = {
        "task_type": "EDITING",
        "prompt": "a",
        "base_image_data": PICTURE,
        "reference_image_data": PICTURE,
    }
    task = await create(api, body | ORIGIN)

    assert task["base_image_path"].startswith("editings/")
    assert task["reference_images"] == [task["reference_image_path"]]
    await stop(gateway, task)


async def test_list_shows_newest_first_and_every_filter_narrows_it(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    mark = uuid.uuid4().hex
    tasks = [
        await create(api, body | {"origin_instance": mark, "origin_zone": zone})
        for body, zone in (
            (GENERATION, "eu"),
            (GENERATION | {"origin_tenant_id": "t"}, "us"),
            ({"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "fal-ai/x"}, "eu"),
        )
    ]
    ids = [task["id"] for task in reversed(tasks)]

    async def listed(path: str = "/api/v1/tasks/", **params: Any) -> list[str]:
        answer = await api.get(path, params={"origin_instance": mark} | params)
        assert answer.status_code == 200, answer.text
        return [task["id"] for task in answer.json()]

    assert await listed() == ids
    assert await listed(skip=1, limit=1) == ids[1:2]
    assert await listed(task_type="EXPERIMENTAL_FAL") == ids[:1]
    assert await listed(origin_zone="us") == ids[1:2]
    assert await listed(origin_tenant_id="t") == ids[1:2]
    assert await listed(status="PENDING") == ids
    assert await listed(status="FAILED") == []
    assert await listed("/api/v1/tasks/generation") == ids[1:]
    assert await listed("/api/v1/tasks/generation", workflow_id=str(uuid.uuid4())) == []
    for task in tasks:
        await stop(gateway, task)


async def test_waiting_task_is_cancelled_at_once_and_again_changes_nothing(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = await create(api)

    first = await api.post(f"/api/v1/tasks/{task['id']}/cancel")
    again = await api.post(f"/api/v1/tasks/generation/{task['id']}/cancel")

    assert first.json()["status"] == again.json()["status"] == "CANCELLED"
    assert first.json()["completed_at"] is not None
    async with gateway.resources.sessions() as session:
        rows = select(Event).where(Event.subject_id == uuid.UUID(task["id"])).order_by(Event.seq)
        events = list(await session.scalars(rows))
    assert [event.payload["status"] for event in events] == ["PENDING", "CANCELLED"]
    assert [event.is_terminal for event in events] == [False, True]
    async with all_workers(gateway):
        handle = gateway.resources.temporal.get_workflow_handle(f"task-{task['id']}")

        async def is_closed() -> bool:
            return (await handle.describe()).close_time is not None

        await until(is_closed)
    assert (await ended(api, task["id"]))["status"] == "CANCELLED"


async def test_running_task_is_cancelled_once_its_worker_has_stopped(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with all_workers(gateway, step_s=0.2):
        task = await create(api, GENERATION | {"config": {"num_inference_steps": 200}})

        async def is_executing() -> bool:
            answer = await api.get(f"/api/v1/tasks/{task['id']}")
            return answer.json()["status"] == "EXECUTING"

        await until(is_executing)
        answer = await api.post(f"/api/v1/tasks/{task['id']}/cancel")
        assert answer.status_code == 200
        assert answer.json()["status"] in {"EXECUTING", "CANCELLED"}
        assert (await ended(api, task["id"]))["status"] == "CANCELLED"


@pytest.mark.usefixtures("working")
async def test_completed_task_cannot_be_cancelled(api: httpx.AsyncClient) -> None:
    task = await create(api)
    assert (await ended(api, task["id"]))["status"] == "COMPLETED"

    answer = await api.post(f"/api/v1/tasks/{task['id']}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "COMPLETED" in answer.json()["detail"]


@pytest.mark.usefixtures("working")
async def test_deleted_task_is_gone_with_its_files(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = await create(api, REFINE | {"base_image_url": PICTURE, "upscale_factor": 16})
    last = await ended(api, task["id"])
    assert last["status"] == "COMPLETED", last
    prefix = f"refines/{task['id']}/"
    assert await gateway.resources.objects.list(prefix)

    answer = await api.delete(f"/api/v1/tasks/{task['id']}")

    assert (answer.status_code, answer.json()) == (200, last)
    assert await gateway.resources.objects.list(prefix) == []
    assert (await api.get(f"/api/v1/tasks/{task['id']}")).status_code == 404
    async with gateway.resources.sessions() as session:
        for table, column in ((Event, Event.subject_id), (StoredObject, StoredObject.task_id)):
            rows = select(func.count()).select_from(table)
            assert await session.scalar(rows.where(column == uuid.UUID(task["id"]))) == 0
    assert (await api.delete(f"/api/v1/tasks/{task['id']}")).status_code == 404


@pytest.mark.usefixtures("working")
async def test_cleaned_up_task_keeps_its_record_and_hides(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    mark = uuid.uuid4().hex
    task = await create(api, GENERATION | {"origin_instance": mark})
    path = (await ended(api, task["id"]))["result_image_path"]

    answer = await api.post(f"/api/v1/tasks/{task['id']}/cleanup")

    assert answer.status_code == 200
    assert answer.json() == {"task_id": task["id"], "cleaned": True, "deleted_paths": [path]}
    assert (await api.get(f"/api/v1/storage/images/{path}")).status_code == 404
    kept = (await api.get(f"/api/v1/tasks/{task['id']}")).json()
    assert kept["is_deleted"] is True
    assert kept["deleted_at"] is not None
    params = {"origin_instance": mark}
    assert (await api.get("/api/v1/tasks/", params=params)).json() == []
    shown = await api.get("/api/v1/tasks/", params=params | {"include_deleted": "true"})
    assert [found["id"] for found in shown.json()] == [task["id"]]


async def test_running_task_is_cancelled_before_its_files_go(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    async with all_workers(gateway, step_s=0.2):
        task = await create(api, GENERATION | {"config": {"num_inference_steps": 200}})
        answer = await api.post(f"/api/v1/tasks/{task['id']}/cleanup")
        assert answer.status_code == 200, answer.text
        kept = (await api.get(f"/api/v1/tasks/{task['id']}")).json()
    assert (kept["status"], kept["is_deleted"]) == ("CANCELLED", True)


async def test_task_that_does_not_end_is_not_removed(
    gateway: Gateway, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api_gateway.tasks.cancellation.CLOSE_TIMEOUT_S", 0.1)
    task = await create(api)

    answer = await api.delete(f"/api/v1/tasks/{task['id']}")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await api.get(f"/api/v1/tasks/{task['id']}")).json()["status"] == "CANCELLED"
    await stop(gateway, task)


async def test_calls_that_an_administrator_noted_are_kept_and_in_nobodys_way(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task_id, noted = (await create(api))["id"], [{"k": {"BOOL": [True, None]}}, {}]
    path = f"/api/v1/tasks/generation/{task_id}"
    assert (await api.put(path, json={"service_requests": noted})).status_code == 200

    cancelled = await api.post(f"{path}/cancel")

    assert cancelled.status_code == 200, cancelled.text
    async with gateway.resources.sessions() as session:
        row = await session.get_one(Task, uuid.UUID(task_id))
    assert row.service_requests == noted


CHANGES: list[tuple[dict[str, Any], int]] = [
    ({"status": "EXECUTING"}, 200),
    ({"status": "PENDING"}, 200),
    ({"status": "COMPLETED"}, 409),
    ({"status": "FAILED"}, 409),
    ({"priority": 3, "config": {"a": 1}, "errors": ["a note"]}, 200),
    ({"status": "NOTHING"}, 422),
    ({"priority": "high"}, 422),
    ({"unknown": 1}, 200),
]


@pytest.mark.parametrize(("change", "status"), CHANGES)
async def test_change_is_made_within_the_lifecycle_or_refused(
    gateway: Gateway, api: httpx.AsyncClient, change: dict[str, Any], status: int
) -> None:
    task = await create(api)

    answer = await api.put(f"/api/v1/tasks/{task['id']}", json=change)

    assert answer.status_code == status, answer.text
    now = (await api.get(f"/api/v1/tasks/{task['id']}")).json()
    known = {name: value for name, value in change.items() if name in task}
    assert now | (known if status == 200 else {"status": "PENDING"}) == now
    await stop(gateway, task)


async def test_change_to_cancelled_cancels(gateway: Gateway, api: httpx.AsyncClient) -> None:
    task = await create(api)
    answer = await api.put(f"/api/v1/tasks/{task['id']}", json={"status": "CANCELLED"})
    assert answer.json()["status"] == "CANCELLED"
    back = await api.put(f"/api/v1/tasks/{task['id']}", json={"status": "EXECUTING"})
    assert back.status_code == 409
    await stop(gateway, task)


async def test_ended_task_changes_without_ending_again(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = await create(api)
    path = f"/api/v1/tasks/{task['id']}"
    await api.post(f"{path}/cancel")

    answer = await api.put(path, json={"priority": 3})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["priority"]) == ("CANCELLED", 3)
    async with gateway.resources.sessions() as session:
        ends = select(func.count()).where(Event.subject_id == uuid.UUID(task["id"]))
        assert await session.scalar(ends.where(Event.is_terminal)) == 1
    await stop(gateway, task)


async def test_generation_fields_change_and_some_take_the_admin_scope(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    tenant = gateway.client(TENANT_KEY)
    task = await create(tenant, GENERATION | {"origin_tenant_id": "acme"})
    path = f"/api/v1/tasks/generation/{task['id']}"

    units = {"provider": "fal_standard", "unit": "credits", "amount": 1.5, "attempt": 1}
    plain = await tenant.put(path, json={"subject_lora_weight": 0.5, "progress": 12.5})
    assert plain.status_code == 200, plain.text
    assert (plain.json()["subject_lora_weight"], plain.json()["progress"]) == (0.5, 12.5)
    for field, value in (
        ("origin_reference", "x"),
        ("created_at", "2026-01-01T00:00:00Z"),
        ("fal_request_id", "x"),
        ("result_image_path", "x"),
        ("billed", [units]),
    ):
        refused = await tenant.put(path, json={field: value})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert field in refused.json()["detail"]
    corrected: dict[str, Any] = {
        "origin_reference": "x",
        "fal_request_id": "r-1",
        "billed": [units],
    }
    allowed = await api.put(path, json=corrected)
    assert allowed.json() | corrected == allowed.json()
    wrong = await api.put(path, json={"billed": [units | {"amount": -1}]})
    assert wrong.json()["detail"][0]["loc"] == ["body", "billed", 0, "amount"]
    foreign = await tenant.put(path, json={"reference_image_path": "generations/none/x.png"})
    assert foreign.json()["detail"][0]["loc"] == ["body", "reference_image_path"]
    await tenant.aclose()
    await stop(gateway, task)


async def test_generation_routes_know_no_other_type(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = await create(api, {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "fal-ai/x"} | ORIGIN)
    path = f"/api/v1/tasks/generation/{task['id']}"
    for method, url in (("GET", path), ("PUT", path), ("POST", f"{path}/cancel")):
        assert (await api.request(method, url, json={})).status_code == 404
    await stop(gateway, task)
