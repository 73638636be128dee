"""Deliveries to a receiver on loopback, in a namespace of their own; and an empty platform."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete
from temporalio.client import Client

from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training
from shared.db.session import Sessions
from tests.fixtures.deliveries import DeliveryHarness, open_delivery_harness
from tests.fixtures.gateway import Gateway
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.receiver import Receiver, receiving
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import terminate_all


@pytest.fixture(scope="session")
async def deliveries_namespace(servers: Servers, sessions: Sessions) -> Client:
    return await open_namespace(servers, "deliveries")


@pytest.fixture
async def harness(gateway: Gateway, deliveries_namespace: Client) -> AsyncIterator[DeliveryHarness]:
    async with open_delivery_harness(gateway, deliveries_namespace) as opened:
        yield opened


@pytest.fixture
async def alone(gateway: Gateway) -> None:
    """Delete the rows of other tests, since a pass checks all rows."""
    async with gateway.resources.sessions.begin() as session:
        for table in (Event, Task, Workflow, Training):
            await session.execute(delete(table))
    await terminate_all(gateway.resources.temporal)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened
