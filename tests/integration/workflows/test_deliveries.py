"""Events reach their receiver in order, signed, with stable ids, and block nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.responses import Response
from temporalio.client import WorkflowExecutionStatus

from shared.contracts.enums import TaskStatus
from tests.fixtures.deliveries import DeliveryHarness, SetClock
from tests.fixtures.receiver import Post, Receiver, refuse
from tests.fixtures.workers import all_workers


async def status_of_task(api: httpx.AsyncClient, task_id: str) -> str:
    return (await api.get(f"/api/v1/tasks/{task_id}")).json()["status"]


async def until_completed(harness: DeliveryHarness, task_id: str) -> None:
    async with harness.client() as api, asyncio.timeout(60):
        while await status_of_task(api, task_id) != "COMPLETED":
            await asyncio.sleep(0.05)


async def test_every_event_of_a_task_arrives_once_in_order_with_a_valid_signature(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    async with harness.worker():
        task_id = await harness.create_task(receiver.url())
        await harness.report(task_id)
        await harness.report(task_id, kind="progress", progress=40)
        await harness.finish(task_id, TaskStatus.COMPLETED)
        posts = await receiver.until_status(task_id, "COMPLETED")
        logged = await harness.until_logged(
            task_id, lambda log: all(each["status"] == "delivered" for each in log)
        )
        await harness.until_run(task_id, WorkflowExecutionStatus.COMPLETED)

    assert [(post.seq, post.event["status"]) for post in posts] == [
        (1, "PENDING"),
        (2, "EXECUTING"),
        (3, "EXECUTING"),
        (4, "COMPLETED"),
    ]
    assert [post.event["event_type"] for post in posts][:2] == [
        "task_created",
        "task_status_update",
    ]
    assert [post.id for post in posts] == [each["webhook_id"] for each in logged]
    assert len({post.id for post in posts}) == 4
    keys = await harness.secret_of()
    for post in posts:
        assert post.verify(keys["secret"]) == post.event
        post.verify_public(keys["public_key"])
        assert post.headers["content-type"] == "application/json"
    for each in logged:
        [attempt] = each["attempts"]
        assert (attempt["status_code"], attempt["error"]) == (204, None)
        assert each["next_attempt_at"] is None


async def test_first_attempt_starts_within_two_seconds_of_its_event(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    """Return the median, since single values depend on the load of the machine."""
    waits: list[timedelta] = []
    async with harness.worker():
        for _ in range(15):
            task_id = await harness.create_task(receiver.url())
            await receiver.until_status(task_id, "PENDING")
            [logged] = await harness.until_logged(task_id, lambda log: bool(log[0]["attempts"]))
            created = datetime.fromisoformat(logged["created_at"])
            waits.append(datetime.fromisoformat(logged["attempts"][0]["at"]) - created)
    assert sorted(waits)[7] < timedelta(seconds=2)


async def test_task_without_a_webhook_leaves_nothing_to_deliver(harness: DeliveryHarness) -> None:
    task_id = await harness.create_task("")
    await harness.finish(task_id, TaskStatus.COMPLETED)
    assert await harness.deliveries(subject_id=task_id) == []
    assert await harness.run_status(task_id) is None


async def test_run_ends_before_its_receiver_responds(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    may_answer = asyncio.Event()

    async def wait(_post: Post) -> Response:
        await may_answer.wait()
        return Response()

    receiver.answer = wait
    async with harness.worker(harness.courier(timeout_s=30)), all_workers(harness.gateway):
        task_id = await harness.create_task(receiver.url())
        await receiver.until(bool)
        await until_completed(harness, task_id)
        assert [post.seq for post in receiver.posts] == [1]
        pending = await harness.deliveries(subject_id=task_id)
        assert {each["status"] for each in pending} == {"pending"}
        may_answer.set()
        posts = await receiver.until_status(task_id, "COMPLETED")
    assert [post.seq for post in posts] == sorted(post.seq for post in posts)


@pytest.mark.long
async def test_receiver_that_was_down_for_the_length_of_a_run_gets_all_of_it_afterwards(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    receiver.answer = refuse(503)
    # The clock does not move, so that the second attempt does not start by itself.
    clock = SetClock(datetime.now(UTC))
    async with harness.worker(harness.courier(clock=clock)), all_workers(harness.gateway):
        clock.now = datetime.now(UTC) + timedelta(minutes=1)
        task_id = await harness.create_task(receiver.url())
        await until_completed(harness, task_id)
        log = await harness.until_logged(task_id, lambda log: bool(log[0]["attempts"]))
        assert [each["status"] for each in log] == ["pending"] * len(log)
        assert [len(each["attempts"]) for each in log] == [1] + [0] * (len(log) - 1)
        receiver.answer = refuse(204)
        clock.now += timedelta(hours=1)
        posts = await receiver.until_status(task_id, "COMPLETED")
    assert [post.seq for post in posts] == [1, *range(1, len(log) + 1)]
    assert posts[0].id == posts[1].id


async def test_failed_event_is_repeated_under_its_id_before_the_next_one(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    answers = iter([500, 204, 204])

    async def answer(_post: Post) -> Response:
        return Response(status_code=next(answers))

    receiver.answer = answer
    async with harness.worker():
        task_id = await harness.create_task(receiver.url())
        await receiver.until(bool)
        await harness.finish(task_id, TaskStatus.COMPLETED)
        first, again, last = await receiver.until_status(task_id, "COMPLETED")
        log = await harness.until_logged(
            task_id, lambda log: [each["status"] for each in log] == ["delivered"] * 2
        )
    assert [first.seq, again.seq, last.seq] == [1, 1, 2]
    assert first.id == again.id != last.id
    secret = (await harness.secret_of())["secret"]
    for post in (first, again, last):
        post.verify(secret)
    assert [a["status_code"] for a in log[0]["attempts"]] == [500, 204]
    moments = [datetime.fromisoformat(a["at"]) for a in log[0]["attempts"]]
    assert moments[1] - moments[0] >= timedelta(seconds=4.5)
