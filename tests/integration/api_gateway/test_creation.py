"""Creation and start of tasks, workflows and trainings."""

import asyncio
import uuid
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from structlog.testing import capture_logs

from shared.db.session import create_engine, create_sessions
from shared.settings import DatabaseSettings
from tests.faults.proxy import NetworkFault, Proxy, Stall
from tests.fixtures.gateway import Gateway
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_tasks import GENERATION
from tests.integration.api_gateway.test_training import away
from tests.integration.api_gateway.test_workflows import GENERATE, workflow

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "task": ("/api/v1/tasks/", GENERATION),
    "workflow": ("/api/v1/workflows/", workflow(GENERATE)),
    "training": (
        "/api/v1/training/",
        {"trigger_word": "sh0e", "source_images": ["https://images.example.com/1.jpg"]},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_created_while_temporal_is_away_waits_for_it(
    api: httpx.AsyncClient, gateway: Gateway, kind: str
) -> None:
    path, body = KINDS[kind]
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    async with gateway.client(temporal=await away()) as cut_off:
        created = await cut_off.post(path, json=body, headers=headers)
    assert created.status_code == 201

    again = await api.post(path, json=body, headers=headers)

    assert (again.status_code, again.json()) == (201, created.json())
    stands = (await api.get(f"{path}{created.json()['id']}")).json()
    assert stands["status"] == ("RUNNING" if kind == "workflow" else "PENDING")


@pytest.mark.parametrize("is_forwarded", [True, False])
async def test_commit_whose_acknowledgement_was_lost_is_read_back(
    gateway: Gateway, api: httpx.AsyncClient, *, is_forwarded: bool
) -> None:
    url = gateway.stack.environment["SARTIQ_DB_URL"]
    origin, address = uuid.uuid4().hex, make_url(url)
    async with Proxy(f"{address.host}:{address.port}") as proxy:
        through = url.replace(f"{address.host}:{address.port}", proxy.address)
        engine = create_engine(DatabaseSettings(url=SecretStr(through)))
        stall = Stall(b"COMMIT", after=origin.encode(), is_forwarded=is_forwarded)
        proxy.impose(NetworkFault(stall=stall))
        async with gateway.client(sessions=create_sessions(engine)) as client:
            body = GENERATION | {"origin_instance": origin}
            creating = asyncio.create_task(client.post("/api/v1/tasks/", json=body))
            await asyncio.wait_for(proxy.stalled.wait(), 20)
            if is_forwarded:
                await until(partial(_is_there, api, origin))
            with capture_logs():  # printing an error with all its frames takes seconds
                proxy.cut()
                answer = await creating
        await engine.dispose()

    found = (await api.get("/api/v1/tasks/", params={"origin_instance": origin})).json()
    if is_forwarded:
        assert (answer.status_code, [answer.json()["id"]]) == (201, [task["id"] for task in found])
    else:
        assert (answer.status_code, found) == (503, [])


async def _is_there(api: httpx.AsyncClient, origin: str) -> bool:
    return bool((await api.get("/api/v1/tasks/", params={"origin_instance": origin})).json())


@pytest.mark.parametrize("kind", KINDS)
async def test_repeat_gets_the_first_response_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, kind: str
) -> None:
    path, body = KINDS[kind]
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.post(path, json=body, headers=headers)
    before = await gateway.row_counts()

    again = await api.post(path, json=body, headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert await gateway.row_counts() == before
