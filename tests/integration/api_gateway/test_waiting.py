"""Pending tasks, steps and trainings show what they wait for."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio import activity
from temporalio.client import Client

from shared.contracts.attempts import AttemptResult
from shared.contracts.enums import TaskQueue
from shared.contracts.generation import GenerateImage
from shared.db.models.tables import Task, Workflow
from tests.fixtures.gateway import Gateway
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.rows import add, runnable_training, task_row, workflow_row
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import activity_worker

TASKS, WORKFLOWS, TRAININGS = "/api/v1/tasks/", "/api/v1/workflows/", "/api/v1/training/"
OLD = datetime.now(UTC) - timedelta(minutes=5)
NO_FAL = "a worker: none polls the task queue `provider-fal`"


@pytest.fixture(scope="module")
async def temporal(servers: Servers) -> Client:
    """A namespace in which no other test's workers have polled."""
    return await open_namespace(servers, "waiting-tests")


@pytest.fixture
async def api(gateway: Gateway, temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(temporal=temporal) as client:
        yield client


def _waiting(**fields: Any) -> Task:
    plain = {"created_at": OLD, "queue_name": "provider-fal", "provider_type": "fal_standard"}
    return task_row(**plain | fields)


async def _said(api: httpx.AsyncClient, task: Task) -> str | None:
    answer = await api.get(f"{TASKS}{task.id}")
    assert answer.status_code == 200
    return answer.json()["waiting_for"]


async def test_task_whose_queue_nobody_polls_says_so_everywhere(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = _waiting(origin_zone=str(uuid.uuid4()))
    await add(gateway.resources.sessions, task)

    assert await _said(api, task) == NO_FAL
    one = await api.get(f"{TASKS}generation/{task.id}")
    listed = await api.get(TASKS, params={"origin_zone": task.origin_zone})
    generations = await api.get(f"{TASKS}generation", params={"origin_zone": task.origin_zone})
    for record in (one.json(), *listed.json(), *generations.json()):
        assert record["waiting_for"] == NO_FAL


@pytest.mark.parametrize(
    "fields",
    [
        {"created_at": None},
        {"status": "EXECUTING"},
        {"status": "COMPLETED"},
        {"status": "CANCELLED"},
    ],
)
async def test_task_that_is_new_or_begun_waits_for_nothing(
    gateway: Gateway, api: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    task = _waiting(**{k: v or datetime.now(UTC) for k, v in fields.items()})
    await add(gateway.resources.sessions, task)

    assert await _said(api, task) is None


async def test_task_whose_queue_is_polled_is_merely_in_its_turn(
    gateway: Gateway, temporal: Client, api: httpx.AsyncClient
) -> None:
    @activity.defn(name="generate_image")
    async def generate(_: GenerateImage) -> AttemptResult:
        raise AssertionError

    polled, other = _waiting(queue_name="inference"), _waiting(queue_name="provider-llm")
    await add(gateway.resources.sessions, polled, other)
    async with activity_worker(temporal, TaskQueue.INFERENCE, generate):
        assert await _said(api, other) == "a worker: none polls the task queue `provider-llm`"
        assert await _said(api, polled) is None


async def test_queue_of_another_version_is_no_error(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = _waiting(queue_name="of-another-version")
    await add(gateway.resources.sessions, task)

    assert await _said(api, task) is None


async def test_what_a_run_has_noted_wins_over_the_queue(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    task = _waiting(waiting_for="a worker that can do it")
    await add(gateway.resources.sessions, task)

    assert await _said(api, task) == "a worker that can do it"


async def test_where_temporal_says_nothing_the_record_says_nothing(gateway: Gateway) -> None:
    task = _waiting()
    await add(gateway.resources.sessions, task)
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)

    async with gateway.client(temporal=nowhere) as api:
        assert await _said(api, task) is None


def _workflow(status: str, **steps: str) -> tuple[Workflow, list[Task]]:
    """Write a chain of steps with these statuses, and their tasks."""
    mine = str(uuid.uuid4())
    workflow = workflow_row(
        *steps, status=status, origin_instance=mine, created_at=OLD, updated_at=OLD
    )
    tasks: list[Task] = []
    for place, step in enumerate(workflow.steps):
        step.status = steps[step.step_id]
        step.dependencies = [workflow.steps[place - 1].step_id] if place else []
        step.created_at = step.updated_at = OLD
        task = _waiting(
            workflow_id=workflow.id,
            step_id=step.step_id,
            status={"RUNNING": "EXECUTING"}.get(step.status, step.status),
        )
        step.task_id = task.id
        tasks.append(task)
    return workflow, tasks


HELD = "the resume of its workflow, which "


@pytest.mark.parametrize(
    ("status", "steps", "expected"),
    [
        ("RUNNING", {"a": "PENDING", "b": "PENDING"}, [NO_FAL, "step `a`"]),
        ("RUNNING", {"a": "RUNNING", "b": "PENDING"}, [None, "step `a`"]),
        ("RUNNING", {"a": "COMPLETED", "b": "PENDING"}, [None, NO_FAL]),
        ("PENDING", {"a": "PENDING"}, ["the start of its workflow"]),
        ("PAUSED", {"a": "COMPLETED", "b": "PENDING"}, [None, HELD + "is paused"]),
        (
            "FAILED",
            {"a": "FAILED", "b": "PENDING"},
            [None, "the resume of its workflow, since step `a` did not complete"],
        ),
        ("FAILED", {"a": "COMPLETED", "b": "PENDING"}, [None, HELD + "has failed"]),
    ],
)
async def test_step_and_its_task_say_what_comes_before_them(
    gateway: Gateway,
    api: httpx.AsyncClient,
    status: str,
    steps: dict[str, str],
    expected: list[str | None],
) -> None:
    workflow, tasks = _workflow(status, **steps)
    await add(gateway.resources.sessions, workflow, *tasks)

    record = (await api.get(f"{WORKFLOWS}{workflow.id}")).json()

    assert [step["waiting_for"] for step in record["steps"]] == expected
    assert [await _said(api, task) for task in tasks] == expected
    mine = {"origin_instance": workflow.origin_instance}
    (same,) = (await api.get(WORKFLOWS, params=mine)).json()["workflows"]
    assert [step["waiting_for"] for step in same["steps"]] == expected


async def test_training_whose_stage_nobody_does_says_so(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    prepared = {"status": "PREPROCESSING", "preprocessing_completed_at": OLD}
    waiting = [runnable_training(created_at=OLD), runnable_training(created_at=OLD, **prepared)]
    captioned = {
        "status": "PREPROCESSING",
        "preprocessing_stage": "captioning",
        "preprocessing_captioning_strategy": "llm",
    }
    waiting.append(runnable_training(created_at=OLD, updated_at=OLD, **captioned))
    busy = runnable_training(created_at=OLD, status="PREPROCESSING")
    await add(gateway.resources.sessions, *waiting, busy)

    said = [(await api.get(f"{TRAININGS}{one.id}")).json()["waiting_for"] for one in waiting]

    # A worker at another training does not poll: there may be one.
    stages = {"preprocessing": "a worker", "training": "a free worker", "provider-llm": "a worker"}
    assert said == [f"{what}: none polls the task queue `{name}`" for name, what in stages.items()]
    assert (await api.get(f"{TRAININGS}{busy.id}")).json()["waiting_for"] is None
