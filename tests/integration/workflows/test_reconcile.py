"""The reconciler on real parts: what a crash leaves between records and runs is mended."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, inspect, update
from temporalio.client import WorkflowExecutionStatus

from shared.contracts.enums import TrainingStatus
from shared.contracts.reconciliation import Reconciled, ReconcileRequest
from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training
from tests.fixtures.crew import crew, workflow_worker
from tests.fixtures.gateway import Gateway
from tests.fixtures.workflow_runs import terminate_all, until
from tests.integration.api_gateway.test_workflows import GENERATE, workflow
from workflows.definitions.reconcile import Reconcile
from workflows.schedule import SCHEDULE_ID, ReconcileSettings, ensure_schedule
from workflows.starts import start_task

QUEUED = {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "x", "origin_instance": "shop"}


@pytest.fixture
async def alone(gateway: Gateway) -> None:
    """No rows of other tests: a pass looks at all there are."""
    async with gateway.resources.sessions.begin() as session:
        for table in (Event, Task, Workflow, Training):
            await session.execute(delete(table))
    await terminate_all(gateway.resources.temporal)


async def reconcile(gateway: Gateway) -> Reconciled:
    async with workflow_worker(gateway):
        return await gateway.resources.temporal.execute_workflow(
            Reconcile.run,
            ReconcileRequest(grace_s=0),
            id=f"reconcile-{uuid.uuid4()}",
            task_queue="workflows",
        )


async def create_task(api: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def status_of(gateway: Gateway, temporal_id: str) -> WorkflowExecutionStatus | None:
    return (await gateway.resources.temporal.get_workflow_handle(temporal_id).describe()).status


async def until_status(gateway: Gateway, temporal_id: str, status: WorkflowExecutionStatus) -> None:
    async def is_there() -> bool:
        return await status_of(gateway, temporal_id) == status

    await until(is_there)


async def add_task_without_run(gateway: Gateway) -> Task:
    """What a gateway leaves that was killed between its commit and the start."""
    task_id = uuid.uuid4()
    task = Task(
        id=task_id,
        temporal_id=f"task-{task_id}",
        task_type="GENERATION",
        provider_type="local",
        queue_name="inference",
        origin_instance="shop",
        inputs={"prompt": "a red dress", "width": 64, "height": 64, "seed": 7},
        status="PENDING",
    )
    async with gateway.resources.sessions.begin() as session:
        session.add(task)
    return task


async def add_workflow_without_run(gateway: Gateway, api: httpx.AsyncClient) -> dict[str, Any]:
    """The same for a workflow: its row says RUNNING, and nothing runs."""
    answer = await api.post("/api/v1/workflows/?start=false", json=workflow(GENERATE))
    async with gateway.resources.sessions.begin() as session:
        row = update(Workflow).where(Workflow.id == uuid.UUID(answer.json()["id"]))
        await session.execute(row.values(status="RUNNING"))
    return answer.json()


@pytest.mark.usefixtures("alone")
async def test_rows_without_runs_are_started(gateway: Gateway, api: httpx.AsyncClient) -> None:
    task = await add_task_without_run(gateway)
    created = await add_workflow_without_run(gateway, api)
    runs = (task.temporal_id, created["canvas_task_id"])

    assert (await reconcile(gateway)).started == 2

    for temporal_id in runs:
        assert await status_of(gateway, temporal_id) == WorkflowExecutionStatus.RUNNING
    assert (await reconcile(gateway)).started == 0
    async with crew(gateway):
        for temporal_id in runs:
            await until_status(gateway, temporal_id, WorkflowExecutionStatus.COMPLETED)
    done = (await api.get(f"/api/v1/tasks/{task.id}")).json()
    assert done["status"] == "COMPLETED"


@pytest.mark.usefixtures("alone")
async def test_start_that_was_overtaken_by_the_reconciler_is_a_start(gateway: Gateway) -> None:
    temporal = gateway.resources.temporal
    task = await add_task_without_run(gateway)
    await reconcile(gateway)
    async with crew(gateway):
        await until_status(gateway, task.temporal_id, WorkflowExecutionStatus.COMPLETED)

        await start_task(temporal, task)

    assert await status_of(gateway, task.temporal_id) == WorkflowExecutionStatus.COMPLETED


@pytest.mark.usefixtures("alone")
async def test_rows_whose_runs_were_terminated_end_as_failed(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = await create_task(api, QUEUED)
    created = (await api.post("/api/v1/workflows/", json=workflow(GENERATE))).json()
    temporal = gateway.resources.temporal
    for temporal_id in (task["celery_task_id"], created["canvas_task_id"]):
        await temporal.get_workflow_handle(temporal_id).terminate("by hand")

    assert (await reconcile(gateway)).closed == 2

    failed = (await api.get(f"/api/v1/tasks/{task['id']}")).json()
    assert (failed["status"], failed["error_category"]) == ("FAILED", "INTERNAL")
    assert failed["errors"] == ["its Temporal run was terminated"]
    stopped = (await api.get(f"/api/v1/workflows/{created['id']}")).json()
    assert (stopped["status"], stopped["error_message"]) == (
        "FAILED",
        "its Temporal run was terminated",
    )
    async with crew(gateway):
        resumed = await api.post(f"/api/v1/workflows/{created['id']}/resume")
        assert resumed.status_code == 200, resumed.text

        async def is_done() -> bool:
            answer = await api.get(f"/api/v1/workflows/{created['id']}")
            return answer.json()["status"] == "COMPLETED"

        await until(is_done)


@pytest.mark.usefixtures("alone")
async def test_resume_that_crashed_before_its_start_is_started(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    created = (await api.post("/api/v1/workflows/", json=workflow(GENERATE))).json()
    await gateway.resources.temporal.get_workflow_handle(created["canvas_task_id"]).terminate()
    async with gateway.resources.sessions.begin() as session:
        row = await session.get(Workflow, uuid.UUID(created["id"]), with_for_update=True)
        assert row is not None
        row.name = "touched after its run had closed"

    assert (await reconcile(gateway)).started == 1
    status = await status_of(gateway, created["canvas_task_id"])
    assert status == WorkflowExecutionStatus.RUNNING
    await gateway.resources.temporal.get_workflow_handle(created["canvas_task_id"]).terminate()


@pytest.mark.usefixtures("alone")
async def test_runs_whose_rows_have_ended_or_gone_are_cancelled(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    ended, gone, waiting = [await create_task(api, QUEUED) for _ in range(3)]
    async with gateway.resources.sessions.begin() as session:
        await session.execute(
            update(Task).where(Task.id == uuid.UUID(ended["id"])).values(status="CANCELLED")
        )
        await session.delete(await session.get_one(Task, uuid.UUID(gone["id"])))

    async def all_are_visible() -> bool:
        query = "ExecutionStatus = 'Running' AND WorkflowType = 'Task'"
        return (await gateway.resources.temporal.count_workflows(query)).count == 3

    await until(all_are_visible)
    assert (await reconcile(gateway)).cancelled == 2

    async with workflow_worker(gateway):
        for task in (ended, gone):
            await until_status(gateway, task["celery_task_id"], WorkflowExecutionStatus.CANCELED)
    status = await status_of(gateway, waiting["celery_task_id"])
    assert status == WorkflowExecutionStatus.RUNNING
    await gateway.resources.temporal.get_workflow_handle(waiting["celery_task_id"]).terminate()


@pytest.mark.usefixtures("alone")
async def test_trainings_are_started_ended_and_cancelled_alike(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    body = {"trigger_word": "sh0e", "source_images": ["https://images.example.com/1.jpg"]}
    stopped, ended = [(await api.post("/api/v1/training/", json=body)).json() for _ in range(2)]
    temporal = gateway.resources.temporal
    await temporal.get_workflow_handle(f"training-{stopped['id']}").terminate()
    lost = uuid.uuid4()
    async with gateway.resources.sessions.begin() as session:
        row = await session.get_one(Training, uuid.UUID(ended["id"]))
        names = {column.key for column in inspect(Training).columns}
        fields = {name: getattr(row, name) for name in names - {"id", "temporal_id"}}
        session.add(Training(id=lost, temporal_id=f"training-{lost}", **fields))
        row.status = TrainingStatus.CANCELLED

    async def open_run_is_visible() -> bool:
        query = "ExecutionStatus = 'Running' AND WorkflowType = 'Training'"
        return (await temporal.count_workflows(query)).count == 1

    await until(open_run_is_visible)
    done = await reconcile(gateway)

    assert (done.started, done.closed, done.cancelled) == (1, 1, 1)
    failed = (await api.get(f"/api/v1/training/{stopped['id']}")).json()
    assert (failed["status"], failed["error_message"]) == (
        "FAILED",
        "its Temporal run was terminated",
    )
    async with workflow_worker(gateway):
        await until_status(gateway, f"training-{ended['id']}", WorkflowExecutionStatus.CANCELED)
    assert await status_of(gateway, f"training-{lost}") == WorkflowExecutionStatus.RUNNING
    await temporal.get_workflow_handle(f"training-{lost}").terminate()


async def test_worker_keeps_one_schedule_in_line_with_its_settings(gateway: Gateway) -> None:
    temporal = gateway.resources.temporal
    for every_s in (3600, 1800):
        await ensure_schedule(temporal, ReconcileSettings(every_s=every_s))
    handle = temporal.get_schedule_handle(SCHEDULE_ID)
    spec = (await handle.describe()).schedule.spec
    assert [interval.every.total_seconds() for interval in spec.intervals] == [1800]
    await handle.delete()
