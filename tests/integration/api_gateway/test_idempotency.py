"""A create with an `Idempotency-Key` happens once, however often it is sent."""

import asyncio
import uuid

import httpx
import pytest
from sqlalchemy import func, select

from shared.db.models.tables import Task
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.integration.api_gateway.test_task_lifecycle import stop
from tests.integration.api_gateway.test_tasks import GENERATION


async def test_same_key_and_body_get_the_first_answer_even_when_racing(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = GENERATION | {"origin_instance": uuid.uuid4().hex}

    answers = await asyncio.gather(
        *(api.post("/api/v1/tasks/", json=body, headers=headers) for _ in range(8))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 7
    async with gateway.resources.sessions() as session:
        rows = select(func.count()).where(Task.origin_instance == body["origin_instance"])
        assert await session.scalar(rows) == 1
    reordered = dict(reversed(body.items()))
    again = await api.post("/api/v1/tasks/", json=reordered, headers=headers)
    assert again.json() == answers[0].json()
    other = await api.post("/api/v1/tasks/", json=body | {"seed": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    async with gateway.client(TENANT_KEY) as tenant:
        theirs = await tenant.post("/api/v1/tasks/", json=GENERATION, headers=headers)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != answers[0].json()["id"]
    for task in (answers[0].json(), theirs.json()):
        await stop(gateway, task)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e4"])
async def test_idempotency_key_must_be_visible_ascii(api: httpx.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await api.post("/api/v1/tasks/", json=GENERATION, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
