"""SIGTERM: running work ends within the drain time, or is handed back to other workers."""

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from local_stack.services import Readiness, Service
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack

pytestmark = pytest.mark.long

DRAIN_S = 4.0
STEP_S = 0.5
SLACK_S = 8.0
"""Time that a process may take to exit beyond its drain time on a loaded machine."""

SERVICES = (
    Service("gateway", "api_gateway", Readiness.READYZ),
    Service("workflow-worker", "workflows.worker"),
    Service("workflow-worker-2", "workflows.worker"),
    Service("inference-worker", "inference_worker"),
    Service("inference-worker-2", "inference_worker"),
)
GENERATION = {
    "task_type": "GENERATION",
    "prompt": "a red dress",
    "seed": 7,
    "width": 64,
    "height": 64,
    "origin_instance": "e2e",
}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[LocalStack]:
    """Start a stack with two of each worker; a denoise step takes half a second."""
    overrides = {
        "SARTIQ_INFERENCE_ENGINE": "identity",
        "SARTIQ_INFERENCE_IDENTITY_STEP_S": str(STEP_S),
        "SARTIQ_WORKER_DRAIN_TIMEOUT_S": str(DRAIN_S),
    }
    with tempfile.TemporaryDirectory(prefix="sartiq-drain-") as folder:
        async with LocalStack(
            LocalSettings(state_dir=Path(folder)), services=SERVICES, overrides=overrides
        ) as started:
            yield started


@pytest.fixture
async def api(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=stack.endpoints.gateway_url,
        headers={"Authorization": f"Bearer {stack.api_key}"},
        timeout=30,
        trust_env=False,
    ) as client:
        yield client


async def created(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def generation(api: httpx.AsyncClient, num_steps: int) -> dict[str, Any]:
    body = GENERATION | {"config": {"num_inference_steps": num_steps}}
    return await created(api, "/api/v1/tasks/", body)


async def until_status(api: httpx.AsyncClient, path: str, *wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            answer = (await api.get(path)).json()
            if answer["status"] in wanted:
                return answer
            await asyncio.sleep(0.05)


async def executing(api: httpx.AsyncClient, task: dict[str, Any]) -> int:
    """Return the pid of the process that runs a task."""
    path = f"/api/v1/tasks/{task['id']}"
    shown = await until_status(api, path, "EXECUTING")
    return int(shown["executor_instance"].rpartition(":")[2])


@asynccontextmanager
async def back_afterwards(stack: LocalStack, name: str) -> AsyncIterator[None]:
    """Restart a process that the test stops, however the test ends."""
    try:
        yield
    finally:
        if name not in stack.pids:
            await stack.start(name)


async def test_long_attempt_is_handed_back_and_ends_elsewhere(
    stack: LocalStack, api: httpx.AsyncClient
) -> None:
    task = await generation(api, num_steps=30)
    pid = await executing(api, task)
    [name] = [name for name, of in stack.pids.items() if of == pid]
    process = psutil.Process(pid)

    async with back_afterwards(stack, name):
        begin = time.monotonic()
        ending = asyncio.create_task(stack.kill(name, signal.SIGTERM))
        await asyncio.sleep(DRAIN_S / 2)
        process.send_signal(signal.SIGTERM)  # a second SIGTERM changes nothing
        await ending
        took = time.monotonic() - begin
        done = await until_status(api, f"/api/v1/tasks/{task['id']}", "COMPLETED", "FAILED")

    assert DRAIN_S - 0.5 <= took <= DRAIN_S + STEP_S + SLACK_S
    assert (done["status"], done["errors"]) == ("COMPLETED", ["attempt 1: the worker shut down"])
    assert done["result_image_path"].startswith(f"generations/{task['id']}/a2/")
    assert not done["executor_instance"].endswith(f":{pid}")


async def test_short_attempt_ends_within_the_drain_time(
    stack: LocalStack, api: httpx.AsyncClient
) -> None:
    task = await generation(api, num_steps=3)
    pid = await executing(api, task)
    [name] = [name for name, of in stack.pids.items() if of == pid]
    async with back_afterwards(stack, name):
        await stack.kill(name, signal.SIGTERM)
        done = await until_status(api, f"/api/v1/tasks/{task['id']}", "COMPLETED", "FAILED")

    assert (done["status"], done["errors"]) == ("COMPLETED", [])
    assert done["executor_instance"].endswith(f":{pid}")


async def test_runs_continue_at_once_while_a_workflow_worker_drains(
    stack: LocalStack, api: httpx.AsyncClient
) -> None:
    steps = [
        {
            "id": f"s{number}",
            "task_type": "GENERATION",
            "config": GENERATION | {"config": {"num_inference_steps": 1}},
            "depends_on": [f"s{number - 1}"] if number else [],
        }
        for number in range(8)
    ]
    body = {"name": "a chain", "origin_instance": "e2e", "steps": steps}
    workflow = await created(api, "/api/v1/workflows/", body)
    path = f"/api/v1/workflows/{workflow['id']}"
    async with asyncio.timeout(30):
        while (await api.get(path)).json()["completed_steps"] < 2:
            await asyncio.sleep(0.05)
    for name in ("workflow-worker", "workflow-worker-2"):  # one of them has the run cached
        async with back_afterwards(stack, name):
            await stack.kill(name, signal.SIGTERM)

    assert (await until_status(api, path, "COMPLETED", "FAILED"))["status"] == "COMPLETED"
    client = await Client.connect(stack.endpoints.temporal_address)
    history = await client.get_workflow_handle(workflow["canvas_task_id"]).fetch_history()
    scheduled = {
        event.event_id: event.event_time.ToDatetime()
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
    }
    waits = [
        event.event_time.ToDatetime()
        - scheduled[event.workflow_task_started_event_attributes.scheduled_event_id]
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
    ]
    assert max(wait.total_seconds() for wait in waits) < 5


async def test_running_request_completes_before_the_gateway_exits(
    stack: LocalStack, api: httpx.AsyncClient
) -> None:
    content = httpx.Request("POST", "http://x", json=GENERATION).content
    is_sent, is_told = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:10]
        is_sent.set()
        await is_told.wait()
        await asyncio.sleep(0.5)
        yield content[10:]

    headers = {"content-type": "application/json", "content-length": str(len(content))}
    posting = asyncio.create_task(api.post("/api/v1/tasks/", content=slowly(), headers=headers))
    await is_sent.wait()
    async with back_afterwards(stack, "gateway"):
        ending = asyncio.create_task(stack.kill("gateway", signal.SIGTERM))
        is_told.set()
        answer = await posting
        await ending
    assert answer.status_code == 201, answer.text
    path = f"/api/v1/tasks/{answer.json()['id']}"
    assert (await until_status(api, path, "COMPLETED", "FAILED"))["status"] == "COMPLETED"
