"""A sandbox, and a client without retries."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fixtures.sandbox import OpenSandbox, open_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[OpenSandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture
async def http(sandbox: OpenSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of fal's wire and of the control routes."""
    headers = {"authorization": f"Key {sandbox.key}"}
    async with httpx.AsyncClient(
        base_url=sandbox.url, headers=headers, trust_env=False, verify=False
    ) as client:
        yield client
