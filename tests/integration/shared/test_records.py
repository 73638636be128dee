"""The database on a real Postgres: terminal states, gap-free events, schema equal to the models."""

import uuid
from datetime import UTC, datetime
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ProviderType, StepStatus, TaskStatus, WorkflowStatus
from shared.contracts.owners import Owner
from shared.contracts.progress import ProgressKind, TaskProgress
from shared.contracts.provenance import Provenance, ProvenanceRecord
from shared.contracts.runs import PipelineOutcome, TaskHistory, TaskOutcome
from shared.contracts.service_requests import BilledUnits, ServiceRequest
from shared.db.models.registry import METADATA
from shared.db.models.tables import Event, StoredObject, Task, Workflow, WorkflowStep
from shared.db.models.webhooks import WebhookDelivery
from shared.db.repositories.outcomes import (
    outcome_of,
    write_pipeline_outcome,
    write_task_history,
    write_task_outcome,
)
from shared.db.repositories.progress import write_progress
from shared.db.repositories.scope import Scope
from shared.db.repositories.tasks import find_task_with_provenance
from shared.db.session import Sessions

OWNER = Owner(origin_instance="shop", origin_tenant_id="acme")


async def test_migrated_schema_equals_the_models(sessions: Sessions) -> None:
    async with sessions() as session:
        connection = await session.connection()
        differences = await connection.run_sync(
            lambda raw: compare_metadata(
                MigrationContext.configure(raw, opts={"compare_type": True}), METADATA
            )
        )
    assert differences == []


def new_task(**fields: Any) -> Task:
    task_id = uuid.uuid4()
    usual = {
        "task_type": "GENERATION",
        "provider_type": "local",
        "queue_name": "inference",
        "origin_instance": "shop",
        "origin_tenant_id": "acme",
    }
    return Task(id=task_id, temporal_id=f"task-{task_id}", **usual | fields)


def outcome(task: Task, status: TaskStatus = TaskStatus.COMPLETED, **fields: Any) -> TaskOutcome:
    return TaskOutcome(task_id=task.id, status=status, owner=OWNER, attempt=1, **fields)


async def add(sessions: Sessions, *rows: Any) -> None:
    async with sessions.begin() as session:
        session.add_all(rows)


async def events_of(sessions: Sessions, subject_id: uuid.UUID) -> list[tuple[int, str, bool]]:
    async with sessions() as session:
        rows = await session.scalars(
            select(Event).where(Event.subject_id == subject_id).order_by(Event.seq)
        )
        return [(row.seq, row.payload["status"], row.is_terminal) for row in rows]


async def test_deeply_nested_json_is_read(sessions: Sessions) -> None:
    deep: dict[str, Any] = {"answer": 42}
    for _ in range(300):
        deep = {"within": deep}
    task = new_task(results=deep)
    await add(sessions, task)
    async with sessions() as session:
        results = await session.scalar(select(Task.results).where(Task.id == task.id))
    assert results == deep


async def test_outcome_is_written_once_with_event_and_owner_rows(sessions: Sessions) -> None:
    task = new_task()
    await add(sessions, task)
    file = StoredFile(key=f"x/{task.id}.png", size_bytes=3, content_type="image/png", sha256="0")
    ended = outcome(task, results={"result_image_path": file.key}, files=[file])

    for _ in range(2):
        async with sessions.begin() as session:
            standing = await write_task_outcome(session, ended)
        assert standing.status == TaskStatus.COMPLETED

    assert await events_of(sessions, task.id) == [(1, "COMPLETED", True)]
    async with sessions() as session:
        owned = await session.get_one(StoredObject, file.key)
        row = await session.get_one(Task, task.id)
    assert (owned.origin_instance, owned.origin_tenant_id) == ("shop", "acme")
    assert (row.progress, row.results) == (100, ended.results)


async def test_provenance_is_only_written_with_the_first_outcome(sessions: Sessions) -> None:
    record = ProvenanceRecord(
        provider_type=ProviderType.LOCAL,
        inputs={"prompt": "a hat"},
        made=Provenance(engine="flux.1", model="swatch"),
    )
    done, dropped = new_task(), new_task()
    await add(sessions, done, dropped)
    async with sessions.begin() as session:
        await write_task_outcome(session, outcome(dropped, TaskStatus.CANCELLED))
        for task in (done, dropped):
            await write_task_outcome(session, outcome(task, provenance=record))

    async with sessions() as session:
        for task, expected in ((done, record), (dropped, None)):
            row = await find_task_with_provenance(session, Scope(), task.id)
            assert row is not None
            stored = row.provenance
            assert (stored and ProvenanceRecord.model_validate(stored)) == expected


async def test_first_terminal_state_is_kept(sessions: Sessions) -> None:
    task = new_task()
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_outcome(session, outcome(task, TaskStatus.CANCELLED))
    async with sessions.begin() as session:
        late = await write_task_outcome(session, outcome(task, results={"result_image_path": "a"}))

    assert (late.status, late.results) == (TaskStatus.CANCELLED, {})
    assert await events_of(sessions, task.id) == [(1, "CANCELLED", True)]


async def test_outcome_of_a_deleted_task_is_dropped(sessions: Sessions) -> None:
    gone = outcome(new_task())
    async with sessions.begin() as session:
        assert (await write_task_outcome(session, gone)).status == TaskStatus.COMPLETED
    assert await events_of(sessions, gone.task_id) == []


def report(task: Task, attempt: int, percent: float) -> TaskProgress:
    return TaskProgress(
        task_id=task.id,
        attempt=attempt,
        kind=ProgressKind.PROGRESS if percent else ProgressKind.STARTED,
        progress=percent,
        executor_instance="w",
        executor_type="inference-worker",
        at=datetime.now(UTC),
    )


async def test_partially_failed_step_keeps_its_error_and_results(
    sessions: Sessions,
) -> None:
    workflow_id = uuid.uuid4()
    task = new_task(workflow_id=workflow_id, step_id="cut")
    step = WorkflowStep(position=0, step_id="cut", task_type=task.task_type, task_id=task.id)
    workflow = Workflow(
        id=workflow_id,
        name="one",
        origin_instance="shop",
        temporal_id=f"workflow-{workflow_id}",
        status=WorkflowStatus.RUNNING,
        total_steps=1,
        final_step_id="cut",
        steps=[step],
    )
    await add(sessions, workflow)
    await add(sessions, task)

    part = outcome(
        task, TaskStatus.FAILED, results={"result_image_paths": ["a"]}, errors=["b is broken"]
    )
    async with sessions.begin() as session:
        await write_task_outcome(session, part)

    async with sessions() as session:
        row = await session.scalar(
            select(WorkflowStep).where(WorkflowStep.workflow_id == workflow_id)
        )
        stored = await session.get_one(Task, task.id)
    assert row is not None
    assert (row.status, row.error_message) == (StepStatus.FAILED, "b is broken")
    assert stored.results == row.result == {"result_image_paths": ["a"]}


async def test_steps_of_a_workflow_follow_their_tasks(sessions: Sessions) -> None:
    workflow_id = uuid.uuid4()
    tasks = [new_task(workflow_id=workflow_id, step_id=name) for name in ("a", "b")]
    steps = [
        WorkflowStep(position=i, step_id=task.step_id, task_type=task.task_type, task_id=task.id)
        for i, task in enumerate(tasks)
    ]
    workflow = Workflow(
        id=workflow_id,
        name="two",
        origin_instance="shop",
        temporal_id=f"workflow-{workflow_id}",
        status=WorkflowStatus.RUNNING,
        total_steps=2,
        final_step_id="b",
        steps=steps,
    )
    await add(sessions, workflow)
    await add(sessions, *tasks)

    async def standing() -> tuple[Any, ...]:
        async with sessions() as session:
            row = await session.get_one(Workflow, workflow_id)
            found = await session.scalars(
                select(WorkflowStep.status)
                .where(WorkflowStep.workflow_id == workflow_id)
                .order_by(WorkflowStep.position)
            )
            return (row.status, row.current_step, row.completed_steps, *found)

    async with sessions.begin() as session:
        await write_progress(session, report(tasks[0], 1, 0))
    assert await standing() == ("RUNNING", "a", 0, StepStatus.RUNNING, StepStatus.PENDING)

    for task in tasks:
        async with sessions.begin() as session:
            await write_task_outcome(session, outcome(task, results={"result_image_path": "p"}))
    assert await standing() == ("RUNNING", None, 2, StepStatus.COMPLETED, StepStatus.COMPLETED)

    async with sessions.begin() as session:
        await write_pipeline_outcome(
            session, PipelineOutcome(workflow_id=workflow_id, status=WorkflowStatus.COMPLETED)
        )
    async with sessions() as session:
        row = await session.get_one(Workflow, workflow_id)
    assert (row.status, row.final_step_result) == ("COMPLETED", {"result_image_path": "p"})
    sequence = [seq for seq, _, _ in await events_of(sessions, workflow_id)]
    assert sequence == list(range(1, len(sequence) + 1))


async def test_late_report_of_an_earlier_attempt_changes_nothing(sessions: Sessions) -> None:
    task = new_task()
    await add(sessions, task)
    told = [(2, 0.0, True), (1, 50.0, False), (2, 40.0, True), (2, 30.0, False), (3, 0.0, True)]
    for attempt, percent, is_taken in told:
        async with sessions.begin() as session:
            assert await write_progress(session, report(task, attempt, percent)) is is_taken
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert (row.attempt, row.retry_count, row.progress) == (3, 2, 0)


def call(**fields: Any) -> ServiceRequest:
    return ServiceRequest.model_validate(
        {
            "provider": "fal_standard",
            "method": "POST",
            "url": "https://queue.fal.run/fal-ai/flux/dev",
            "status": 200,
            "duration_ms": 12,
            "attempt": 1,
            "at": datetime.now(UTC),
        }
        | fields
    )


UNITS = BilledUnits(provider=ProviderType.FAL_STANDARD, unit="credits", amount=1.5, attempt=1)
RECORDED_UNITS = {"provider": "fal_standard", "unit": "credits", "amount": 1.5, "attempt": 1}


async def test_history_of_a_running_task_is_written(sessions: Sessions) -> None:
    task = new_task(status="EXECUTING", provider_type="fal_standard", queue_name="provider-fal")
    await add(sessions, task)
    account = TaskHistory(
        task_id=task.id,
        attempt=1,
        service_task_id="req-1",
        service_requests=[call()],
        billed=[UNITS],
        resumes=1,
        resumed_at=datetime.now(UTC),
    )
    async with sessions.begin() as session:
        await write_task_history(session, account)
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert row.service_task_id == "req-1"
    assert row.provider_config == {"provider_type": "fal_standard", "fal_request_id": "req-1"}
    assert [each["status"] for each in row.service_requests] == [200]
    assert row.billed == [RECORDED_UNITS]
    assert (row.is_resumed, row.resume_attempt_count) == (True, 1)
    assert await events_of(sessions, task.id) == [(1, "EXECUTING", False)]


async def test_fallback_replaces_the_provider(sessions: Sessions) -> None:
    task = new_task(
        status="EXECUTING",
        provider_type="fal_standard",
        queue_name="provider-fal",
        provider_config={"provider_type": "fal_standard"},
        active_provider_capabilities=["SEED"],
        fallback_provider_type="local",
        fallback_provider_config={"provider_type": "local"},
        fallback_provider_capabilities=["OUTPUT_SIZE"],
        webhook_url="https://shop.example/hook",
    )
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_history(session, TaskHistory(task_id=task.id, attempt=1, errors=["a"]))
    account = TaskHistory(
        task_id=task.id, attempt=2, retry_count=1, errors=["a", "b"], fallback_used=True
    )
    for _ in range(2):
        async with sessions.begin() as session:
            await write_task_history(session, account)
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert row.fallback_used
    assert (row.provider_type, row.queue_name) == ("local", "inference")
    assert row.provider_config == {"provider_type": "local"}
    assert row.active_provider_capabilities == ["OUTPUT_SIZE"]
    async with sessions() as session:
        told = await session.scalars(
            select(Event)
            .join(WebhookDelivery, WebhookDelivery.event_id == Event.id)
            .where(Event.subject_id == task.id)
            .order_by(Event.seq)
        )
        providers = [(e.payload["provider_type"], e.payload["fallback_used"]) for e in told]
    assert providers == [("fal_standard", False), ("local", True), ("local", True)]


async def test_history_of_an_ended_task_changes_nothing(sessions: Sessions) -> None:
    task = new_task(status="COMPLETED")
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_history(session, TaskHistory(task_id=task.id, attempt=3, errors=["late"]))
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert (row.attempt, row.errors) == (0, [])
    assert await events_of(sessions, task.id) == []


async def test_outcome_from_outside_keeps_the_history(sessions: Sessions) -> None:
    task = new_task(status="EXECUTING", attempt=2, errors=["a"], service_task_id="req-9")
    task.service_requests = [call().model_dump(mode="json")]
    task.billed = [RECORDED_UNITS]
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_outcome(session, outcome_of(task, TaskStatus.CANCELLED))
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert (row.status, row.error_category) == ("CANCELLED", "CANCELLED")
    assert (row.attempt, row.errors, row.service_task_id) == (2, ["a"], "req-9")
    assert len(row.service_requests) == 1
    assert row.billed == [RECORDED_UNITS]


async def test_submitted_task_is_not_pending(sessions: Sessions) -> None:
    """Even if the worker's report was lost: a cancellation must reach the provider."""
    task = new_task(provider_type="fal_standard", queue_name="provider-fal")
    await add(sessions, task)
    account = TaskHistory(task_id=task.id, attempt=1, service_task_id="req-1")
    async with sessions.begin() as session:
        await write_task_history(session, account)
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert row.status == "EXECUTING"
    assert row.started_at is not None


async def test_task_passed_to_its_fallback_untried_is_pending(sessions: Sessions) -> None:
    task = new_task(provider_type="fal_standard", fallback_provider_type="local")
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_history(session, TaskHistory(task_id=task.id, fallback_used=True))
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert (row.status, row.provider_type) == ("PENDING", "local")


async def test_submission_is_recorded_for_a_task_cancelled_meanwhile(
    sessions: Sessions,
) -> None:
    """The gateway cancels a PENDING task at once, while its submission is in progress."""
    task = new_task(provider_type="fal_standard")
    await add(sessions, task)
    async with sessions.begin() as session:
        await write_task_outcome(session, outcome_of(task, TaskStatus.CANCELLED))
    told = outcome(
        task,
        TaskStatus.CANCELLED,
        service_task_id="request-1",
        service_requests=[call()],
        billed=[UNITS],
        errors=["attempt 1: cancelled; fal returned ALREADY_COMPLETED"],
    )
    async with sessions.begin() as session:
        await write_task_outcome(session, told)
    async with sessions() as session:
        row = await session.get_one(Task, task.id)
    assert (row.status, row.error_category) == ("CANCELLED", "CANCELLED")
    assert (row.service_task_id, row.errors) == ("request-1", told.errors)
    assert len(row.service_requests) == 1
    assert row.billed == [RECORDED_UNITS]
    assert await events_of(sessions, task.id) == [(1, "CANCELLED", True)]
