"""Clients of the gateway, and a folder of one's own."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fixtures.gateway import TENANT_KEY, Gateway


@pytest.fixture
def folder() -> str:
    return f"uploads/{uuid.uuid4()}"


@pytest.fixture
async def tenant(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(TENANT_KEY) as client:
        yield client
