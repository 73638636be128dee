"""A sandbox, and a client without retries."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fixtures.sandbox import OpenSandbox


@pytest.fixture
def sandbox(fal: OpenSandbox) -> OpenSandbox:
    """The sandbox, without work and faults of the tests before."""
    return fal


@pytest.fixture
async def http(sandbox: OpenSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of fal's wire and of the control routes."""
    headers = {"authorization": f"Key {sandbox.key}"}
    async with httpx.AsyncClient(
        base_url=sandbox.url, headers=headers, trust_env=False, verify=False
    ) as client:
        yield client
