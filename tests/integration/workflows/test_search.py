"""Search attributes find runs in the Temporal UI, without our records."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory
from shared.db.models.tables import Task
from tests.fakes.inference import Attempt
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.rows import runnable_task
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs, until
from workflows.starts import start_task

PICTURE = {"width": 64, "height": 64, "seed": 7}


@pytest.fixture(scope="module")
async def client(servers: Servers) -> Client:
    return await open_namespace(servers, f"search-{uuid4().hex[:8]}")


async def fail_if_asked(attempt: Attempt) -> None:
    if attempt.inputs.prompt == "fail":
        raise ApplicationError("no such thing", type=ErrorCategory.VALIDATION, non_retryable=True)


async def started(client: Client, prompt: str, **fields: str) -> Task:
    task = runnable_task(inputs={"prompt": prompt, **PICTURE}, **fields)
    await start_task(client, task)
    return task


async def found(client: Client, query: str) -> set[str]:
    return {run.id async for run in client.list_workflows(query)}


def ids(tasks: Sequence[Task]) -> set[str]:
    return {task.temporal_id for task in tasks}


async def test_failed_runs_of_a_tenant_today(client: Client) -> None:
    runs = Runs(client)
    runs.inference.act = fail_if_asked
    today = datetime.now(UTC).date().isoformat()
    async with runs.working():
        failed = [await started(client, "fail", origin_tenant_id="acme") for _ in range(2)]
        done = [await started(client, "a dress", origin_tenant_id="acme")]
        others = [await started(client, "fail", origin_tenant_id="other")]

        async def all_have_closed() -> bool:
            closed = await found(client, "CloseTime IS NOT NULL")
            return closed >= ids([*failed, *done, *others])

        await until(all_have_closed)
    of_acme = f"TenantId = 'acme' AND StartTime >= '{today}T00:00:00Z'"
    assert await found(client, f"{of_acme} AND ExecutionStatus = 'Failed'") == ids(failed)
    assert await found(client, f"{of_acme} AND ExecutionStatus = 'Completed'") == ids(done)
    by_type = "TaskType = 'GENERATION' AND Provider = 'local' AND ExecutionStatus = 'Failed'"
    assert await found(client, by_type) == ids([*failed, *others])
    by_instance = "OriginInstance = 'shop' AND Kind = 'task'"
    assert await found(client, by_instance) == ids([*failed, *done, *others])
