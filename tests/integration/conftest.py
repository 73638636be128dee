"""The gateway and its records, on the session's real servers."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.db.session import Sessions
from tests.fixtures.gateway import Gateway, add_keys, open_resources, open_sessions
from tests.fixtures.servers import Servers


@pytest.fixture(scope="session")
async def sessions(servers: Servers) -> AsyncIterator[Sessions]:
    async with open_sessions(servers) as opened:
        await add_keys(opened)
        yield opened


@pytest.fixture(scope="session")
async def gateway(servers: Servers, sessions: Sessions) -> AsyncIterator[Gateway]:
    async with open_resources(servers, sessions) as resources:
        yield Gateway(resources, servers)


@pytest.fixture
async def api(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        yield client
