"""The cap on a tenant's queue is exact and per tenant, and a refused create leaves nothing."""

import asyncio
import base64
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text, update

from api_gateway.creation.admission_cap import check_cap
from api_gateway.errors import Problem
from shared.db.models.tables import Task, Workflow
from shared.db.models.trainings import Training
from shared.db.repositories.queued_work import count_queued
from shared.db.session import Sessions
from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.test_tasks import GENERATION, PNG, REFINE
from tests.integration.api_gateway.test_workflows import GENERATE, workflow

CAP = 2
OWN_ADVISORY_LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
)


def capped(gateway: Gateway) -> httpx.AsyncClient:
    settings = gateway.resources.settings.model_copy(update={"max_queued_per_tenant": CAP})
    return gateway.client(settings=settings)


def of(tenant: str) -> dict[str, str]:
    return {"origin_instance": "shop", "origin_tenant_id": tenant}


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid.uuid4().hex}"


async def end(sessions: Sessions, table: Any, row_id: str, status: str) -> None:
    async with sessions.begin() as session:
        await session.execute(
            update(table).where(table.id == uuid.UUID(row_id)).values(status=status)
        )


async def test_create_beyond_the_cap_is_429_and_leaves_nothing(
    gateway: Gateway, tenant: str
) -> None:
    objects = gateway.resources.objects
    async with capped(gateway) as client:
        for _ in range(CAP):
            made = await client.post("/api/v1/tasks/", json=GENERATION | of(tenant))
            assert made.status_code == 201
        before = await gateway.row_counts(), await objects.list("refines/")
        picture = {"base_image_url": base64.b64encode(PNG).decode()}
        refused = [
            await client.post("/api/v1/tasks/", json=REFINE | picture | of(tenant)),
            await client.post("/api/v1/workflows/", json=workflow(GENERATE) | of(tenant)),
        ]
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (429, "too_much_queued")
            assert answer.headers["retry-after"]
        assert (await gateway.row_counts(), await objects.list("refines/")) == before

        others = await client.post("/api/v1/tasks/", json=GENERATION | of(tenant + "-else"))
        assert others.status_code == 201
        await end(gateway.resources.sessions, Task, made.json()["id"], "COMPLETED")
        again = await client.post("/api/v1/tasks/", json=GENERATION | of(tenant))
        assert again.status_code == 201


async def test_creates_together_cannot_pass_the_cap(gateway: Gateway, tenant: str) -> None:
    async with capped(gateway) as client:
        answers = await asyncio.gather(
            *(client.post("/api/v1/tasks/", json=GENERATION | of(tenant)) for _ in range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [201] * CAP + [429] * (8 - CAP)


async def test_steps_count_while_their_workflow_is_open(gateway: Gateway, tenant: str) -> None:
    steps = [GENERATE | {"id": name} for name in "abc"]
    body = workflow(*steps) | of(tenant)
    async with capped(gateway) as client:
        made = await client.post("/api/v1/workflows/?start=false", json=body)
        assert made.status_code == 201
        refused = await client.post("/api/v1/tasks/", json=GENERATION | of(tenant))
        assert refused.status_code == 429
        await end(gateway.resources.sessions, Workflow, made.json()["id"], "FAILED")
        # Its steps stay PENDING for a resume, and do not count as queued.
        again = await client.post("/api/v1/tasks/", json=GENERATION | of(tenant))
        assert again.status_code == 201


async def test_trainings_count_until_they_have_ended(gateway: Gateway, tenant: str) -> None:
    sessions = gateway.resources.sessions
    for status in ("PENDING", "PREPROCESSING", "TRAINING", "COMPLETED", "FAILED", "CANCELLED"):
        training_id = uuid.uuid4()
        async with sessions.begin() as session:
            session.add(
                Training(
                    id=training_id,
                    status=status,
                    training_type="LORA",
                    entity_type="PRODUCT",
                    trigger_word="x",
                    rank=16,
                    steps=10,
                    learning_rate=0.0001,
                    base_model_path="flux",
                    preprocessing_captioning_strategy="none",
                    temporal_id=f"training-{training_id}",
                    **of(tenant),
                )
            )
    async with sessions() as session:
        assert await count_queued(session, tenant, at_most=10) == 3
        assert await count_queued(session, tenant, at_most=2) == 2


async def test_tenant_is_the_instance_where_none_is_named(gateway: Gateway, tenant: str) -> None:
    async with capped(gateway) as client:
        codes = [
            (
                await client.post("/api/v1/tasks/", json=GENERATION | {"origin_instance": tenant})
            ).status_code
            for _ in range(CAP + 1)
        ]
    assert codes == [201] * CAP + [429]


async def test_without_the_setting_nothing_is_counted(gateway: Gateway, tenant: str) -> None:
    async with gateway.resources.sessions.begin() as session:
        await check_cap(session, gateway.resources, Task(**of(tenant)))
        locks = await session.scalar(text(OWN_ADVISORY_LOCKS))
    assert locks == 0


async def test_problem_names_the_tenant_and_the_cap(gateway: Gateway, tenant: str) -> None:
    settings = gateway.resources.settings.model_copy(update={"max_queued_per_tenant": 1})
    async with capped(gateway) as client:
        await client.post("/api/v1/tasks/", json=GENERATION | of(tenant))
    resources = replace(gateway.resources, settings=settings)
    with pytest.raises(Problem, match=tenant):
        async with gateway.resources.sessions.begin() as session:
            await check_cap(session, resources, Task(**of(tenant)))
