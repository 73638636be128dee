"""A Temporal namespace of its own, so that no other suite's runs meet these workers."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from local_stack.stack import LocalStack
from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fixtures.workflow_runs import Runs
from workflows.worker import WORKFLOWS

_NAMESPACE = "workflow-tests"


@pytest.fixture(scope="session")
async def client(servers: LocalStack) -> Client:
    address = servers.endpoints.temporal_address
    connected = await connect(
        TemporalSettings(address=address, namespace=_NAMESPACE), identity="workflow-tests"
    )
    retention = Duration()
    retention.FromTimedelta(timedelta(days=1))
    await connected.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=_NAMESPACE, workflow_execution_retention_period=retention
        )
    )
    return connected


@pytest.fixture
async def runs(client: Client) -> AsyncIterator[Runs]:
    """Starts runs; once the test is over, every one of them must replay."""
    started = Runs(client)
    yield started
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    for handle in started.handles:
        await replayer.replay_workflow(await handle.fetch_history())


@pytest.fixture
async def working(runs: Runs) -> AsyncIterator[Runs]:
    """The same, with both workers polling."""
    async with runs.working():
        yield runs
