"""The reconciler on real servers: it repairs differences between records and runs."""

import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import inspect, update
from temporalio.client import WorkflowExecutionStatus

from shared.contracts.enums import TrainingStatus
from shared.contracts.reconciliation import Reconciled, ReconcileRequest
from shared.db.models.tables import Task, Workflow
from shared.db.models.trainings import Training
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add, task_row
from tests.fixtures.standing_runs import broken_worker, standing
from tests.fixtures.workers import all_workers, workflow_worker
from tests.fixtures.workflow_runs import generation, until
from tests.integration.api_gateway.test_workflows import GENERATE, workflow
from workflows.activities import reconcile as reconciliation
from workflows.definitions.reconcile import Reconcile
from workflows.definitions.run_task import RunTask
from workflows.schedule import SCHEDULE_ID, ReconcileSettings, ensure_schedule
from workflows.starts import start_task

QUEUED = {"task_type": "EXPERIMENTAL_FAL", "fal_app_id": "fal-ai/x", "origin_instance": "shop"}


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
    """Create the state of a gateway that was killed between its commit and the start of the run."""
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
    """Create the same state for a workflow: its row is RUNNING, without a run."""
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
    async with all_workers(gateway):
        for temporal_id in runs:
            await until_status(gateway, temporal_id, WorkflowExecutionStatus.COMPLETED)
    done = (await api.get(f"/api/v1/tasks/{task.id}")).json()
    assert done["status"] == "COMPLETED"


@pytest.mark.usefixtures("alone")
async def test_start_after_the_reconcilers_start_succeeds(gateway: Gateway) -> None:
    temporal = gateway.resources.temporal
    task = await add_task_without_run(gateway)
    await reconcile(gateway)
    async with all_workers(gateway):
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
    async with all_workers(gateway):
        resumed = await api.post(f"/api/v1/workflows/{created['id']}/resume")
        assert resumed.status_code == 200, resumed.text

        async def is_done() -> bool:
            answer = await api.get(f"/api/v1/workflows/{created['id']}")
            return answer.json()["status"] == "COMPLETED"

        await until(is_done)


@pytest.mark.usefixtures("alone")
async def test_resume_that_crashed_before_its_start_is_started(
    gateway: Gateway, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "RESUMES_WITHIN", timedelta())
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
async def test_runs_of_ended_or_deleted_rows_are_cancelled(
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
async def test_an_unresponsive_run_of_an_ended_row_is_terminated(
    gateway: Gateway,
) -> None:
    task = task_row(status="CANCELLED")
    await add(gateway.resources.sessions, task)
    temporal = gateway.resources.temporal
    async with broken_worker(temporal):
        await standing(temporal, "Task", task.temporal_id)
    # Temporal lists the run by now: three attempts took seconds.
    assert (await reconcile(gateway)).cancelled == 1

    assert await status_of(gateway, task.temporal_id) == WorkflowExecutionStatus.TERMINATED


@pytest.mark.usefixtures("alone")
async def test_trainings_are_started_ended_and_cancelled(
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


async def test_worker_updates_one_schedule_to_its_settings(gateway: Gateway) -> None:
    temporal = gateway.resources.temporal
    for every_s in (3600, 1800):
        await ensure_schedule(temporal, ReconcileSettings(every_s=every_s))
    handle = temporal.get_schedule_handle(SCHEDULE_ID)
    spec = (await handle.describe()).schedule.spec
    assert [interval.every.total_seconds() for interval in spec.intervals] == [1800]
    await handle.delete()


async def submitted_task(gateway: Gateway) -> Task:
    """Create a task at a provider whose `started` report was lost."""
    task = task_row(
        task_type="EXPERIMENTAL_FAL",
        provider_type="fal_standard",
        queue_name="provider-fal",
        inputs={"fal_app_id": "a/b"},
        service_task_id="request-1",
        attempt=1,
    )
    await add(gateway.resources.sessions, task)
    return task


@pytest.mark.usefixtures("alone")
async def test_lost_run_with_submitted_work_is_not_restarted(gateway: Gateway) -> None:
    task = await submitted_task(gateway)
    assert (await reconcile(gateway)).started == 0
    async with gateway.resources.sessions() as session:
        assert (await session.get_one(Task, task.id)).status == "FAILED"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("status", ["EXECUTING", "PENDING"])
async def test_lost_workflow_with_a_submitted_step_is_not_restarted(
    gateway: Gateway, api: httpx.AsyncClient, status: str
) -> None:
    created = await add_workflow_without_run(gateway, api)
    async with gateway.resources.sessions.begin() as session:
        rows = update(Task).where(Task.workflow_id == uuid.UUID(created["id"]))
        await session.execute(rows.values(status=status, attempt=1, service_task_id="request-1"))
    assert (await reconcile(gateway)).started == 0
    failed = (await api.get(f"/api/v1/workflows/{created['id']}")).json()
    assert (failed["status"], failed["error_message"]) == (
        "FAILED",
        "its Temporal run no longer exists",
    )
    task = (await api.get(f"/api/v1/tasks/{failed['steps'][0]['task_id']}")).json()
    assert task["status"] == "FAILED"


@pytest.mark.usefixtures("alone")
async def test_a_renamed_workflow_with_a_terminated_run_does_not_count_as_resumed(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    created = (await api.post("/api/v1/workflows/", json=workflow(GENERATE))).json()
    async with gateway.resources.sessions.begin() as session:
        rows = update(Task).where(Task.workflow_id == uuid.UUID(created["id"]))
        await session.execute(rows.values(status="EXECUTING", attempt=1))
    handle = gateway.resources.temporal.get_workflow_handle(created["canvas_task_id"])
    await handle.terminate("by hand")
    renamed = await api.patch(f"/api/v1/workflows/{created['id']}", json={"name": "another"})
    assert renamed.status_code == 200, renamed.text
    assert (await reconcile(gateway)).started == 0
    failed = (await api.get(f"/api/v1/workflows/{created['id']}")).json()
    stopped = "its Temporal run was terminated"
    assert (failed["status"], failed["error_message"]) == ("FAILED", stopped)


@pytest.mark.usefixtures("alone")
async def test_a_run_with_a_foreign_id_is_left_alone(gateway: Gateway) -> None:
    temporal = gateway.resources.temporal
    handle = await temporal.start_workflow(
        RunTask.run, generation(), id="task-debug", task_queue="nobody-polls-this"
    )
    query = "ExecutionStatus = 'Running' AND WorkflowType = 'Task'"

    async def is_visible() -> bool:
        return (await temporal.count_workflows(query)).count >= 1

    try:
        await until(is_visible)
        assert (await reconcile(gateway)).cancelled == 0
    finally:
        await handle.terminate()


@pytest.mark.usefixtures("alone")
async def test_a_row_that_cannot_be_repaired_blocks_no_other(gateway: Gateway) -> None:
    broken = task_row(provider_type="no-such-provider")
    await add(gateway.resources.sessions, broken)
    task = await add_task_without_run(gateway)
    done = await reconcile(gateway)
    assert (done.started, done.failed) == (1, 1)
    await gateway.resources.temporal.get_workflow_handle(task.temporal_id).terminate()
