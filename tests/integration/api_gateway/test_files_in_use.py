"""Files of tasks and workflows stay while other work reads them."""

import base64
import uuid
from typing import Any

import httpx
from sqlalchemy import select

from shared.db.models.tables import StoredObject, Task
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add, task_row, workflow_row
from tests.fixtures.storage import RED, at
from tests.integration.api_gateway.test_pictures_in_use import picture_of, refused
from tests.integration.api_gateway.test_tasks import GENERATION

TASKS, WORKFLOWS = "/api/v1/tasks/", "/api/v1/workflows/"
ENCODED = base64.b64encode(RED).decode()


async def made(gateway: Gateway, **fields: Any) -> tuple[Task, str]:
    """A task with a result image, and the image's path."""
    task = task_row(**{"status": "COMPLETED"} | fields)
    path = f"generations/{task.id}/a1/image_0.png"
    await gateway.resources.objects.put(path, RED, "image/png")
    row = StoredObject(
        key=path,
        task_id=task.id,
        origin_instance="shop",
        size_bytes=len(RED),
        content_type="image/png",
        sha256="0" * 64,
    )
    await add(gateway.resources.sessions, task, row)
    return task, path


async def end(gateway: Gateway, task_id: str | uuid.UUID) -> None:
    async with gateway.resources.sessions.begin() as session:
        row = await session.scalar(select(Task).where(Task.id == uuid.UUID(str(task_id))))
        assert row is not None
        row.status = "COMPLETED"


async def test_files_of_a_task_stay_while_other_work_reads_them(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    owner, path = await made(gateway)
    reader = (await api.post(TASKS, json=GENERATION | picture_of(path))).json()

    await refused(api.post(f"{TASKS}{owner.id}/cleanup"), api.delete(f"{TASKS}{owner.id}"))
    assert (await api.get(f"{TASKS}{owner.id}")).json()["is_deleted"] is False
    assert (await api.get(at(path))).status_code == 200

    await end(gateway, reader["id"])
    cleaned = await api.post(f"{TASKS}{owner.id}/cleanup")
    assert (cleaned.status_code, cleaned.json()["deleted_paths"]) == (200, [path])
    assert (await api.get(at(path))).status_code == 404


async def test_refused_deletion_cancels_nothing(gateway: Gateway, api: httpx.AsyncClient) -> None:
    body = GENERATION | {"reference_image_data": ENCODED, "reference_image_strength": 50}
    owner = (await api.post(TASKS, json=body)).json()
    reading = GENERATION | picture_of(owner["reference_image_path"])
    assert (await api.post(TASKS, json=reading)).status_code == 201

    await refused(api.delete(f"{TASKS}{owner['id']}"))

    assert (await api.get(f"{TASKS}{owner['id']}")).json()["status"] == "PENDING"


async def test_files_of_a_workflow_stay_while_other_work_reads_them(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    workflow = workflow_row("generate", status="FAILED")
    await add(gateway.resources.sessions, workflow)
    _, path = await made(gateway, workflow_id=workflow.id, step_id="generate")
    own = task_row(
        workflow_id=workflow.id, step_id="own", status="PENDING", inputs=picture_of(path)
    )
    await add(gateway.resources.sessions, own)
    reader = (await api.post(TASKS, json=GENERATION | picture_of(path))).json()

    await refused(api.post(f"{WORKFLOWS}{workflow.id}/cleanup"))
    assert (await api.get(f"{WORKFLOWS}{workflow.id}")).json()["is_deleted"] is False

    await end(gateway, reader["id"])
    cleaned = await api.post(f"{WORKFLOWS}{workflow.id}/cleanup")
    assert cleaned.status_code == 200, cleaned.text
    assert (cleaned.json()["cleanup"]["deleted_paths"]) == [path]
    assert cleaned.json()["cleanup"]["errors"] == []


async def test_files_of_a_step_stay_while_its_workflow_goes_on(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    workflow = workflow_row("generate", status="RUNNING")
    await add(gateway.resources.sessions, workflow)
    owner, path = await made(gateway, workflow_id=workflow.id, step_id="generate")
    for answer in (
        await api.post(f"{TASKS}{owner.id}/cleanup"),
        await api.delete(f"{TASKS}{owner.id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert str(workflow.id) in answer.json()["detail"]
    assert (await api.get(at(path))).status_code == 200
