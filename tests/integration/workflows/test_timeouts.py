"""A run that exceeds its execution timeout ends in the records, with the reason."""

import uuid
from datetime import timedelta

import httpx
from temporalio.client import WorkflowExecutionStatus

from shared.db.models.tables import Task, Workflow
from shared.db.models.trainings import Training
from tests.fixtures.gateway import Gateway
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_workflows import GENERATE, workflow
from tests.integration.workflows.test_reconcile import QUEUED, create_task, reconcile
from workflows.definitions.run_pipeline import RunPipeline
from workflows.definitions.run_task import RunTask
from workflows.definitions.run_training import RunTraining
from workflows.starts import pipeline_run, task_run, training_run

SHORT = timedelta(seconds=0.5)
REASON = "its Temporal run exceeded its time limit"


async def run_again_for_a_moment(gateway: Gateway, definition, message, temporal_id: str) -> None:
    """Start the same run with a shorter timeout, which it exceeds because there is no worker."""
    temporal = gateway.resources.temporal
    await temporal.get_workflow_handle(temporal_id).terminate()
    handle = await temporal.start_workflow(
        definition, message, id=temporal_id, task_queue="nobody", execution_timeout=SHORT
    )

    async def has_timed_out() -> bool:
        return (await handle.describe()).status == WorkflowExecutionStatus.TIMED_OUT

    await until(has_timed_out)


async def test_timed_out_task_has_the_category_timeout(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    created = await create_task(api, QUEUED)
    async with gateway.resources.sessions() as session:
        row = await session.get_one(Task, uuid.UUID(created["id"]))
    await run_again_for_a_moment(gateway, RunTask.run, task_run(row), row.temporal_id)

    await reconcile(gateway)

    failed = (await api.get(f"/api/v1/tasks/{row.id}")).json()
    assert (failed["status"], failed["error_category"]) == ("FAILED", "TIMEOUT")
    assert failed["errors"] == [REASON]


async def test_timed_out_workflow_ends_its_running_steps(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    created = (await api.post("/api/v1/workflows/", json=workflow(GENERATE))).json()
    task_id = uuid.UUID(created["steps"][0]["task_id"])
    async with gateway.resources.sessions.begin() as session:
        row = await session.get_one(Workflow, uuid.UUID(created["id"]))
        task = await session.get_one(Task, task_id)
        await session.refresh(row, ["steps"])
        message = pipeline_run(row, {"generate": task})
        task.status = "EXECUTING"
    await run_again_for_a_moment(gateway, RunPipeline.run, message, row.temporal_id)

    await reconcile(gateway)

    failed = (await api.get(f"/api/v1/workflows/{created['id']}")).json()
    assert (failed["status"], failed["error_message"]) == ("FAILED", REASON)
    step = (await api.get(f"/api/v1/tasks/{task_id}")).json()
    assert (step["status"], step["error_category"]) == ("FAILED", "TIMEOUT")
    assert step["errors"] == [REASON]


async def test_timed_out_training_has_the_reason(gateway: Gateway, api: httpx.AsyncClient) -> None:
    body = {"trigger_word": "sh0e", "source_images": ["https://images.example.com/1.jpg"]}
    created = (await api.post("/api/v1/training/", json=body)).json()
    async with gateway.resources.sessions() as session:
        row = await session.get_one(Training, uuid.UUID(created["id"]))
    await run_again_for_a_moment(gateway, RunTraining.run, training_run(row), row.temporal_id)

    await reconcile(gateway)

    failed = (await api.get(f"/api/v1/training/{row.id}")).json()
    assert (failed["status"], failed["error_message"]) == ("FAILED", REASON)
