"""Deliveries to a receiver on loopback, in a namespace that no other suite's runs are in."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from local_stack.stack import LocalStack
from shared.db.session import Sessions
from tests.fixtures.deliveries import PostOffice, open_post_office
from tests.fixtures.gateway import Gateway
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.receiver import Receiver, receiving


@pytest.fixture(scope="session")
async def deliveries_namespace(servers: LocalStack, sessions: Sessions) -> Client:
    return await open_namespace(servers, "deliveries")


@pytest.fixture
async def office(gateway: Gateway, deliveries_namespace: Client) -> AsyncIterator[PostOffice]:
    async with open_post_office(gateway, deliveries_namespace) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened
