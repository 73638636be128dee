"""With a codec, Temporal holds no readable client data, and runs behave as without one."""

from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    QueryWorkflowRequest,
)
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import ErrorCategory
from tests.fakes.inference import Attempt
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.rows import runnable_task, runnable_workflow
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs
from workflows.starts import start_pipeline, start_task

PROMPT = "a dress of the reddest red"
INPUTS = {"prompt": PROMPT, "width": 64, "height": 64, "seed": 7}


async def opened(servers: Servers, *keys: str) -> Client:
    secrets = tuple(SecretStr(key) for key in keys)
    return await open_namespace(servers, f"codec-{uuid4().hex[:8]}", codec_keys=secrets)


async def refuse(attempt: Attempt) -> None:
    raise ApplicationError(f"{PROMPT!r} is refused", type=ErrorCategory.VALIDATION)


async def on_the_wire(client: Client, temporal_id: str) -> bytes:
    """Return everything that the server holds of a run, undecoded."""
    named = {
        "namespace": client.namespace,
        "execution": WorkflowExecution(workflow_id=temporal_id),
    }
    service = client.workflow_service
    answers = (
        await service.get_workflow_execution_history(GetWorkflowExecutionHistoryRequest(**named)),
        await service.describe_workflow_execution(DescribeWorkflowExecutionRequest(**named)),
        await service.query_workflow(
            QueryWorkflowRequest(
                **named, query=WorkflowQuery(query_type="__temporal_workflow_metadata")
            )
        ),
    )
    return b"".join(answer.SerializeToString() for answer in answers)


async def run_all(client: Client) -> bytes:
    """Run a completing task, a refused one and a workflow; return all that the server holds."""
    runs, task, refused = Runs(client), runnable_task(inputs=INPUTS), runnable_task(inputs=INPUTS)
    workflow, tasks = runnable_workflow("only", description=PROMPT)
    tasks["only"].inputs = INPUTS
    async with runs.working():
        await start_task(client, task)
        await client.get_workflow_handle(task.temporal_id).result()
        await start_pipeline(client, workflow, tasks)
        await client.get_workflow_handle(workflow.temporal_id).result()
        runs.inference.act = refuse
        await start_task(client, refused)
        with pytest.raises(WorkflowFailureError) as failed:
            await client.get_workflow_handle(refused.temporal_id).result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert PROMPT in failed.value.cause.message
        assert failed.value.cause.type == ErrorCategory.VALIDATION
        # While the worker runs: it answers the queries of the Temporal UI.
        ids = (task.temporal_id, workflow.temporal_id, refused.temporal_id)
        held = [await on_the_wire(client, temporal_id) for temporal_id in ids]
    assert [attempt.inputs.prompt for attempt in runs.inference.attempts] == [PROMPT] * 3
    return b"".join(held)


async def test_prompt_is_readable_without_keys(servers: Servers) -> None:
    assert PROMPT.encode() in await run_all(await opened(servers))


async def test_prompt_is_nowhere_readable_with_keys(servers: Servers) -> None:
    client = await opened(servers, Fernet.generate_key().decode())
    held = await run_all(client)
    assert PROMPT.encode() not in held
    assert b"is refused" not in held


async def test_operator_with_the_keys_reads_summary_and_details(servers: Servers) -> None:
    client = await opened(servers, Fernet.generate_key().decode())
    task = runnable_task(inputs=INPUTS)
    await start_task(client, task)
    handle = client.get_workflow_handle(task.temporal_id)
    described = await handle.describe()
    assert await described.static_summary() == "GENERATION · local"
    assert PROMPT in str(await described.static_details())
    await handle.terminate()
