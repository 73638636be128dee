"""Event streams over a real socket, on real records."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api_gateway.app import create_app
from api_gateway.events import streams
from shared.contracts.enums import EventType
from shared.db.models.tables import Task
from shared.db.repositories.events import add_task_event
from shared.db.repositories.tasks import remove_tasks
from tests.fixtures.credentials import make_key, set_column
from tests.fixtures.gateway import OTHER_INSTANCE_KEY, OTHER_TENANT_KEY, Gateway
from tests.fixtures.http_server import serving
from tests.fixtures.streaming import Streaming
from tests.fixtures.workflow_runs import until


def _report(task_id: uuid.UUID, progress: float) -> dict[str, Any]:
    return {
        "task_id": str(task_id),
        "attempt": 1,
        "kind": "started" if progress == 0 else "progress",
        "progress": progress,
        "executor_instance": "worker-1",
        "executor_type": "inference-worker",
        "at": datetime.now(UTC).isoformat(),
    }


async def test_follows_what_workers_report_until_the_end(
    gateway: Gateway, streaming: Streaming
) -> None:
    task = await streaming.task()
    client = streaming.client(task)
    following = asyncio.create_task(client.follow())
    await client.until(1)

    async with gateway.internal_client() as internal:
        for seen, progress in enumerate((0, 40, 80), start=2):
            reports = {"reports": [_report(task.row.id, progress)]}
            answer = await internal.post("/internal/progress", json=reports)
            assert answer.status_code == 204, answer.text
            await client.until(seen)
    await task.change(status="COMPLETED", progress=100)
    await following

    assert client.ids == [1, 2, 3, 4, 5]
    assert client.statuses == ["PENDING", "EXECUTING", "EXECUTING", "EXECUTING", "COMPLETED"]
    assert [event.type for event in client.events] == ["task_created", *["task_status_update"] * 4]
    assert [event.data.get("progress") for event in client.events] == [None, 0, 40, 80, 100]
    assert {event.data["task_id"] for event in client.events} == {str(task.row.id)}


async def test_says_how_to_come_back_and_is_not_kept_by_proxies(streaming: Streaming) -> None:
    task = await streaming.task(status="FAILED", errors=["it broke"])
    answer = await streaming.api().get(task.path)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    first, event, end = answer.text.split("\n\n")
    assert first.startswith("retry: ")
    assert event.startswith("event: task_created\ndata: {")
    assert event.endswith("\nid: 1")
    assert end == ""


@pytest.mark.parametrize("how", ["header", "parameter"])
async def test_goes_on_after_the_last_event_that_was_seen(streaming: Streaming, how: str) -> None:
    task = await streaming.task()
    for progress in range(1, 130):  # more than two pages
        await task.change(status="EXECUTING", progress=progress / 2)
    await task.change(status="COMPLETED")
    api = streaming.api()
    given: dict[str, Any] = (
        {"headers": {"Last-Event-ID": "7"}} if how == "header" else {"params": {"last_event_id": 7}}
    )

    answer = await api.get(task.path, **given)

    ids = [int(line[4:]) for line in answer.text.splitlines() if line.startswith("id: ")]
    assert ids == list(range(8, 132))


async def test_exactly_a_page_ends_too(streaming: Streaming) -> None:
    task = await streaming.task()
    for progress in range(1, 49):
        await task.change(status="EXECUTING", progress=progress)
    await task.change(status="COMPLETED")
    client = await streaming.client(task).follow()
    assert client.ids == list(range(1, 51))


async def test_who_has_seen_the_end_is_told_to_stay_away(streaming: Streaming) -> None:
    task = await streaming.task(status="CANCELLED")
    api = streaming.api()
    answer = await api.get(task.path, headers={"Last-Event-ID": "1"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get(task.path)).status_code == 200


async def test_id_that_is_none_of_this_stream_is_refused(streaming: Streaming) -> None:
    task = await streaming.task()
    api = streaming.api()
    for given in ("2", "-1", "abc"):
        answer = await api.get(task.path, headers={"Last-Event-ID": given})
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"][0]["loc"] == ["header", "Last-Event-ID"]
        answer = await api.get(task.path, params={"last_event_id": given})
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"][0]["loc"] == ["query", "last_event_id"]


async def test_workflow_is_waited_for_while_paused_and_ends_with_a_failure(
    streaming: Streaming,
) -> None:
    workflow = await streaming.workflow()
    client = streaming.client(workflow)
    reading = asyncio.create_task(client.connect())
    await workflow.change(status="PAUSED")
    await client.until(2)
    await workflow.change(status="RUNNING", current_step="a")
    await workflow.change(status="FAILED", error_message="a broke")
    await reading

    assert client.statuses == ["RUNNING", "PAUSED", "RUNNING", "FAILED"]
    assert client.events[-1].data["error_message"] == "a broke"
    assert client.comments == ["FAILED: reconnect after a resume, with Last-Event-ID 4"]
    await client.connect()
    assert client.is_done

    # Resumed: a client that reconnects with the last ID continues, past earlier failures.
    await workflow.change(status="RUNNING", error_message=None)
    await workflow.change(status="COMPLETED", completed_steps=2)
    client.is_done = False
    await client.follow()
    assert client.ids == [1, 2, 3, 4, 5, 6]
    fresh = await streaming.client(workflow).follow()
    assert fresh.events == client.events


async def test_follows_a_training_through_its_stages(streaming: Streaming) -> None:
    training = await streaming.training()
    client = streaming.client(training)
    following = asyncio.create_task(client.follow())
    await training.change(status="PREPROCESSING", total_files_count=4, processed_files_count=1)
    await training.change(status="TRAINING", current_step=5, progress=50)
    await training.change(status="COMPLETED", current_step=10, progress=100)
    await following

    assert [event.type for event in client.events] == [
        "training_status_update",
        "preprocessing_status_update",
        "training_status_update",
        "training_status_update",
    ]
    assert [event.data["progress"] for event in client.events] == [0, 25, 50, 100]


async def test_what_is_said_of_a_task_after_its_end_comes_as_well(streaming: Streaming) -> None:
    task = await streaming.task(status="COMPLETED")
    api = streaming.api()
    assert (await api.get(task.path, headers={"Last-Event-ID": "1"})).status_code == 204
    async with streaming.gateway.resources.sessions.begin() as session:
        row = await session.get_one(Task, task.row.id, with_for_update=True)
        add_task_event(session, row, EventType.TASK_STATUS_UPDATE, is_change=True)
    answer = await api.get(task.path, headers={"Last-Event-ID": "1"})
    assert "id: 2\n" in answer.text


@pytest.mark.parametrize("key", [OTHER_TENANT_KEY, OTHER_INSTANCE_KEY])
async def test_others_find_no_stream(streaming: Streaming, key: str) -> None:
    api = streaming.api(key)
    for subject in (
        await streaming.task(),
        await streaming.workflow(),
        await streaming.training(),
    ):
        answer = await api.get(subject.path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        refused = await api.head(subject.path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


async def test_revoked_and_expired_keys_end_their_streams(streaming: Streaming) -> None:
    gateway = streaming.gateway
    task = await streaming.task()
    keys = [
        await make_key(gateway, origin_instance="shop", origin_tenant_id="acme") for _ in range(3)
    ]
    clients = [streaming.client(task, key) for key in keys]
    reading = [asyncio.create_task(client.connect()) for client in clients]
    for client in clients:
        await client.until(1)

    await set_column(gateway, keys[0], revoked_at=datetime.now(UTC))
    await set_column(gateway, keys[1], expires_at=datetime.now(UTC))
    async with asyncio.timeout(10):
        await asyncio.gather(reading[0], reading[1])
    await task.change(status="COMPLETED")
    await reading[2]

    assert [client.statuses for client in clients] == [
        ["PENDING"],
        ["PENDING"],
        ["PENDING", "COMPLETED"],
    ]
    assert (await clients[0].api.get(task.path)).status_code == 401


async def test_task_that_is_deleted_ends_its_streams(streaming: Streaming) -> None:
    task = await streaming.task()
    client = streaming.client(task)
    reading = asyncio.create_task(client.connect())
    await client.until(1)
    async with streaming.gateway.resources.sessions.begin() as session:
        await remove_tasks(session, [task.row.id])
    async with asyncio.timeout(15):
        await reading
    assert (await client.api.get(task.path)).status_code == 404


async def test_all_streams_ask_together_and_nobody_asks_for_none(
    streaming: Streaming, questions: Callable[[], int]
) -> None:
    tasks = [await streaming.task() for _ in range(10)]
    clients = [streaming.client(task) for task in tasks for _ in range(3)]
    reading = [asyncio.create_task(client.connect()) for client in clients]
    for client in clients:
        await client.until(1)
    before = questions()
    await asyncio.sleep(1)
    assert 1 <= questions() - before <= 6

    for one in reading:
        one.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    feed = streaming.gateway.resources.feed

    async def is_idle() -> bool:
        return feed._polling is None

    await until(is_idle)
    before = questions()
    await asyncio.sleep(0.6)
    assert questions() == before


async def test_process_that_ends_is_not_held_up_by_streams(gateway: Gateway) -> None:
    resources = replace(gateway.resources)
    clock = asyncio.get_running_loop().time
    async with serving(create_app(resources)) as url:
        opened = Streaming(gateway, url)
        task = await opened.task()
        client = opened.client(task)
        reading = asyncio.create_task(client.connect())
        await client.until(1)
        began = clock()
        resources.feed.close()
        await reading
    assert clock() - began < 4.5  # uvicorn cuts off after 5
    assert (client.ids, client.is_done) == ([1], False)
    await opened.close()


@pytest.mark.long
async def test_stream_with_nothing_to_tell_shows_that_it_lives(
    streaming: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_HEARTBEAT_S", 0.5)
    task = await streaming.task()
    client = streaming.client(task)
    following = asyncio.create_task(client.follow())

    async def has_beaten() -> bool:
        return client.comments == ["ping", "ping"]

    await until(has_beaten, timeout_s=15)
    await task.change(status="COMPLETED")
    await following
    assert client.ids == [1, 2]


async def test_slow_reader_holds_nothing_up(streaming: Streaming) -> None:
    task = await streaming.task()
    for progress in range(1, 150):
        await task.change(status="EXECUTING", progress=progress / 4)
    slow, quick = streaming.client(task), streaming.client(task)
    async with slow.api.stream("GET", task.path) as answer:
        assert answer.status_code == 200
        following = asyncio.create_task(quick.follow())
        await quick.until(150)
        pool = streaming.gateway.resources.sessions.kw["bind"].pool
        assert pool.checkedout() <= 1
        await task.change(status="COMPLETED")
        await following
        text = "".join([chunk async for chunk in answer.aiter_text()])
    assert text.count("\nid: ") == 151
