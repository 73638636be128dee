"""One task or workflow in full, its media, and the statistics over all."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from shared.db.models.tables import StoredObject
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.rows import add, task_row, workflow_row

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
BILLED = {"provider": "fal_standard", "unit": "credits", "amount": 1.5, "attempt": 1}
PNG = b"\x89PNG\r\n\x1a\n bytes of a picture"


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/monitoring/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_task_in_full_has_what_its_type_has(gateway: Gateway, api: httpx.AsyncClient) -> None:
    task = task_row(
        status="COMPLETED",
        inputs={"prompt": "a red dress", "width": 64, "reference_image_url": "x/ref.png"},
        results={"result_image_path": "x/out.png"},
        config={"num_images": 1},
        errors=["first try"],
        retry_count=1,
        executor_instance="w@h:1",
        origin_reference="order 7",
        service_requests=[{"provider": "fal", "status": 200}],
        billed=[BILLED],
        is_resumed=True,
        resume_attempt_count=2,
        last_resume_attempt=NOON,
        started_at=NOON,
        completed_at=NOON + timedelta(milliseconds=1500),
    )
    await add(gateway.resources.sessions, task)

    shown = await get(api, f"tasks/{task.id}")

    expected = {
        "id": str(task.id),
        "status": "COMPLETED",
        "queue_name": "inference",
        "celery_task_id": f"task-{task.id}",
        "config": {"num_images": 1},
        "errors": ["first try"],
        "retry_count": 1,
        "executor_instance": "w@h:1",
        "origin_reference": "order 7",
        "service_requests": [{"provider": "fal", "status": 200}],
        "billed": [BILLED],
        "is_resumed": True,
        "resume_attempt_count": 2,
        "duration_ms": 1500,
    }
    assert {name: shown[name] for name in expected} == expected
    data = shown["task_data"]
    assert (data["prompt"], data["width"]) == ("a red dress", 64)
    assert data["reference_image_path"] == "x/ref.png"
    assert data["result_image_path"] == "x/out.png"
    assert not data.keys() & {"id", "status", "errors", "origin_instance", "task_type", "billed"}


async def test_workflow_in_full_has_its_steps_in_order(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    workflow = workflow_row(
        "generate", "refine", completed_steps=1, errors=["it broke"], error_message="it broke"
    )
    first, second = workflow.steps
    first.status, first.result, first.task_id = (
        "COMPLETED",
        {"result_image_path": "x"},
        uuid.uuid4(),
    )
    first.started_at, first.completed_at = NOON, NOON + timedelta(seconds=2)
    second.dependencies = ["generate"]
    second.input_mappings = [{"from_step": "generate"}]
    await add(gateway.resources.sessions, workflow)

    shown = await get(api, f"workflows/{workflow.id}")

    assert (shown["progress"], shown["errors"]) == (50, ["it broke"])
    assert shown["canvas_task_id"] == f"workflow-{workflow.id}"
    steps = shown["steps"]
    assert [step["step_id"] for step in steps] == ["generate", "refine"]
    assert (steps[0]["duration_ms"], steps[0]["result"]) == (2000, {"result_image_path": "x"})
    assert steps[0]["task_id"] == str(first.task_id)
    assert (steps[1]["dependencies"], steps[1]["duration_ms"]) == (["generate"], None)
    assert steps[1]["input_mappings"] == [{"from_step": "generate"}]


async def test_unknown_ids_are_404_and_no_ids_422(api: httpx.AsyncClient) -> None:
    for path in ("tasks/{}", "tasks/{}/media", "workflows/{}"):
        unknown = await api.get("/api/v1/monitoring/" + path.format(uuid.uuid4()))
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert (await api.get("/api/v1/monitoring/" + path.format("x"))).status_code == 422


async def stored(gateway: Gateway, key: str, content_type: str, **fields: Any) -> str:
    """Store an object with its owner row."""
    await gateway.resources.objects.put(key, PNG, content_type)
    origin = {"origin_instance": "shop", "origin_tenant_id": "acme"}
    row = StoredObject(
        key=key, size_bytes=len(PNG), content_type=content_type, sha256="0" * 64, **origin | fields
    )
    await add(gateway.resources.sessions, row)
    return key


async def test_media_open_without_a_key_as_a_browser_would_open_them(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    folder = f"generations/{uuid.uuid4()}"
    reference = await stored(gateway, f"{folder}/inputs/a b+c.png", "image/png")
    first = await stored(gateway, f"{folder}/a1-0.png", "image/png")
    second = await stored(gateway, f"{folder}/a1-1.webp", "image/webp")
    film = await stored(gateway, f"{folder}/film.mp4", "video/mp4")
    weights = await stored(gateway, f"{folder}/l.safetensors", "application/octet-stream")
    task = task_row(
        origin_tenant_id="acme",
        inputs={
            "prompt": "a/b, neither of them stored",
            "reference_image_url": reference,
            "subject_model_path": weights,
        },
        results={
            "result_image_path": first,
            "result_image_paths": [first, second],
            "result_video_path": film,
        },
    )
    await add(gateway.resources.sessions, task)

    media = await get(api, f"tasks/{task.id}/media")

    def brief(items: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        return [(item["name"], item["path"], item["media_type"]) for item in items]

    assert brief(media["inputs"]) == [("reference_image", reference, "image")]
    assert brief(media["outputs"]) == [
        ("result_image", first, "image"),
        ("result_image_2", second, "image"),
        ("result_video", film, "video"),
    ]
    async with httpx.AsyncClient(trust_env=False) as browser:
        for item in media["inputs"] + media["outputs"]:
            opened = await browser.get(item["url"])
            assert (opened.status_code, opened.content) == (200, PNG)
            assert opened.headers["content-type"].startswith(item["media_type"])
            tampered = await browser.get(
                item["url"].replace("X-Amz-Expires=3600", "X-Amz-Expires=9")
            )
            assert tampered.status_code == 403


async def test_media_of_others_are_not_shown(gateway: Gateway) -> None:
    foreign = await stored(
        gateway, f"uploads/{uuid.uuid4()}.png", "image/png", origin_tenant_id="other"
    )
    task = task_row(origin_tenant_id="acme", inputs={"base_image_url": foreign})
    await add(gateway.resources.sessions, task)
    async with gateway.client(TENANT_KEY) as tenant:
        assert (await get(tenant, f"tasks/{task.id}/media"))["inputs"] == []


async def test_statistics_of_tasks(gateway: Gateway, api: httpx.AsyncClient) -> None:
    instance, now = f"stats-{uuid.uuid4()}", datetime.now(UTC)
    rows = [
        {"status": "COMPLETED", "origin_zone": "eu", "is_deleted": True},
        {"status": "FAILED", "task_type": "REFINE", "provider_type": "vertex"},
        {"created_at": now - timedelta(hours=2), "origin_zone": "eu"},
        {"created_at": now - timedelta(days=2)},
    ]
    await add(
        gateway.resources.sessions,
        *(task_row(**{"origin_instance": instance, "created_at": now} | row) for row in rows),
    )
    assert await get(api, "stats", origin_instance=instance) == {
        "total_tasks": 4,
        "by_status": {"PENDING": 2, "EXECUTING": 0, "COMPLETED": 1, "FAILED": 1, "CANCELLED": 0},
        "by_provider": {"local": 3, "vertex": 1},
        "by_task_type": {"GENERATION": 3, "REFINE": 1},
        "tasks_last_hour": 2,
        "tasks_last_24h": 3,
    }
    in_zone = await get(api, "stats", origin_instance=instance, origin_zone="eu")
    assert (in_zone["total_tasks"], in_zone["tasks_last_hour"]) == (2, 1)
    assert (await get(api, "stats", origin_instance="nobody"))["total_tasks"] == 0


async def test_statistics_of_workflows(gateway: Gateway, api: httpx.AsyncClient) -> None:
    instance, now = f"stats-{uuid.uuid4()}", datetime.now(UTC)
    rows = [
        workflow_row("a", "b", "c", origin_instance=instance, created_at=now, status="RUNNING"),
        workflow_row("a", origin_instance=instance, created_at=now - timedelta(hours=3)),
    ]
    await add(gateway.resources.sessions, *rows)
    shown = await get(api, "workflows/stats", origin_instance=instance)
    assert shown["total_workflows"] == 2
    assert {name: n for name, n in shown["by_status"].items() if n} == {"RUNNING": 1, "PENDING": 1}
    assert (shown["workflows_last_hour"], shown["workflows_last_24h"]) == (1, 2)
    assert shown["avg_steps_per_workflow"] == 2
    empty = await get(api, "workflows/stats", origin_instance="nobody")
    assert (empty["total_workflows"], empty["avg_steps_per_workflow"]) == (0, 0)


async def test_statistics_are_those_of_the_tenant(gateway: Gateway) -> None:
    zone = f"zone-{uuid.uuid4().hex}"
    await add(
        gateway.resources.sessions,
        task_row(origin_tenant_id="acme", origin_zone=zone),
        task_row(origin_tenant_id="other", origin_zone=zone),
        workflow_row("a", origin_tenant_id="acme", origin_zone=zone),
        workflow_row("a", "b", origin_tenant_id="other", origin_zone=zone),
    )
    async with gateway.client(TENANT_KEY) as tenant:
        tasks = await get(tenant, "stats", origin_zone=zone)
        workflows = await get(tenant, "workflows/stats", origin_zone=zone)
    assert (tasks["total_tasks"], tasks["tasks_last_hour"]) == (1, 1)
    assert (workflows["total_workflows"], workflows["avg_steps_per_workflow"]) == (1, 1)
