"""Images, the listener for workers, outages, and the OpenAPI document."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from shared.contracts.enums import TaskStatus
from shared.contracts.owners import Owner
from shared.contracts.runs import TaskOutcome
from shared.db.repositories.outcomes import write_task_outcome
from shared.db.session import create_engine, create_sessions
from shared.settings import DatabaseSettings, TemporalSettings
from shared.temporal.client import connect
from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.test_tasks import GENERATION

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"


async def test_document_is_served_as_committed(api: httpx.AsyncClient) -> None:
    assert (await api.get("/openapi.json")).json() == json.loads(DOCUMENT.read_text())


def _report(task_id: str, attempt: int, progress: float, kind: str) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "attempt": attempt,
        "kind": kind,
        "progress": progress,
        "executor_instance": "worker-1",
        "executor_type": "inference-worker",
        "at": datetime.now(UTC).isoformat(),
    }


async def test_reports_of_workers_show_in_the_task(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task_id = (await api.post("/api/v1/tasks/", json=GENERATION)).json()["id"]

    async def report(*told: Any) -> dict[str, Any]:
        async with gateway.internal_client() as worker:
            answer = await worker.post(
                "/internal/progress", json={"reports": [_report(task_id, *told)]}
            )
        assert answer.status_code == 204
        return (await api.get(f"/api/v1/tasks/{task_id}")).json()

    task = await report(1, 0, "started")
    assert (task["status"], task["executor_instance"]) == ("EXECUTING", "worker-1")
    assert (await report(1, 40, "progress"))["progress"] == 40
    assert (await report(1, 30, "progress"))["progress"] == 40
    second = await report(2, 0, "started")
    assert (second["progress"], second["retry_count"]) == (0, 1)
    assert (await report(1, 90, "progress"))["progress"] == 0

    outcome = TaskOutcome(
        task_id=uuid.UUID(task_id),
        status=TaskStatus.FAILED,
        owner=Owner(origin_instance="shop"),
        attempt=2,
        errors=["no"],
    )
    async with gateway.resources.sessions.begin() as session:
        await write_task_outcome(session, outcome)
    assert (await report(3, 50, "progress"))["status"] == "FAILED"


async def test_listener_for_workers_wants_their_credential(gateway: Gateway) -> None:
    for token in (None, "wrong", ""):
        async with gateway.internal_client(token) as stranger:
            answer = await stranger.post("/internal/progress", json={"reports": []})
            assert answer.status_code == 401
    async with gateway.internal_client() as worker:
        assert (await worker.get("/openapi.json")).status_code == 404


async def test_public_listener_has_no_internal_route(api: httpx.AsyncClient) -> None:
    assert (await api.post("/internal/progress", json={"reports": []})).status_code == 404


async def test_picture_is_served_with_an_etag(gateway: Gateway, api: httpx.AsyncClient) -> None:
    import base64  # noqa: PLC0415

    from tests.integration.api_gateway.test_tasks import PNG, REFINE  # noqa: PLC0415

    body = REFINE | {"base_image_url": base64.b64encode(PNG).decode()}
    task = (await api.post("/api/v1/tasks/", json=body)).json()
    path = (await gateway.resources.objects.list(f"refines/{task['id']}/"))[0].key

    first = await api.get(f"/api/v1/storage/images/{path}")
    again = await api.get(
        f"/api/v1/storage/images/{path}", headers={"If-None-Match": first.headers["etag"]}
    )

    assert (first.content, first.headers["content-type"]) == (PNG, "image/png")
    assert first.headers["x-content-type-options"] == "nosniff"
    assert (again.status_code, again.content) == (304, b"")


async def test_outages_are_503_with_retry_after_and_work_waits_for_temporal(
    gateway: Gateway, servers: Any
) -> None:
    dead = "127.0.0.1:9"
    engine = create_engine(
        DatabaseSettings(url=SecretStr(f"postgresql+asyncpg://a:b@{dead}/sartiq"))
    )
    temporal = await connect(TemporalSettings(address=dead), identity="tests", is_lazy=True)
    async with gateway.client(sessions=create_sessions(engine)) as client:
        answer = await client.post("/api/v1/tasks/", json=GENERATION)
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"]
        assert answer.json()["code"] == "dependency_down"
        assert (await client.get("/livez")).json()["status"] == "ok"
    async with gateway.client(temporal=temporal) as client:
        created = await client.post("/api/v1/tasks/", json=GENERATION)
        assert (created.status_code, created.json()["status"]) == (201, "PENDING")
    await engine.dispose()
