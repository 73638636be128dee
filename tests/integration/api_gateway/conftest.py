"""Clients of the gateway, a folder per test, and workers with fake activities."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from temporalio.worker import Worker

from shared.db.session import Sessions
from shared.temporal.worker import WorkerSettings
from tests.fakes.failing_steps import Provider
from tests.fixtures.gateway import ADMIN_KEY, TENANT_KEY, Gateway
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs
from workflows.activities.records import Records
from workflows.worker import build_worker


@dataclass
class Staff:
    """A gateway whose runs are taken by workers that a test starts; the records are real."""

    gateway: Gateway
    runs: Runs

    def client(self, key: str = ADMIN_KEY) -> httpx.AsyncClient:
        return self.gateway.client(key, temporal=self.runs.client)

    def workflow_worker(self) -> Worker:
        records = Records(self.gateway.resources.sessions)
        return build_worker(self.runs.client, records, WorkerSettings(drain_timeout_s=0.1))


@pytest.fixture(scope="session")
async def own_namespace(servers: Servers, sessions: Sessions) -> Runs:
    return Runs(await open_namespace(servers, "gateway-runs"))


@pytest.fixture
async def staff(gateway: Gateway, own_namespace: Runs) -> Staff:
    return Staff(gateway, Runs(own_namespace.client))


@pytest.fixture
def folder() -> str:
    return f"uploads/{uuid.uuid4()}"


@pytest.fixture
async def tenant(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(TENANT_KEY) as client:
        yield client


@pytest.fixture
async def provider(staff: Staff) -> AsyncIterator[Provider]:
    acting = Provider()
    staff.runs.inference.act = acting.act
    async with staff.workflow_worker(), staff.runs.inference_worker():
        yield acting
