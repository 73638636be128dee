"""Events reach their receiver: in order, signed, again under the same id, and in nobody's way."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import WebhookVerificationError
from starlette.responses import Response
from temporalio.client import WorkflowExecutionStatus

from shared.contracts.enums import TaskStatus
from shared.contracts.runs import Owner, TaskOutcome
from shared.db.session import Sessions
from shared.egress.guard import Guard
from tests.fixtures.crew import crew
from tests.fixtures.deliveries import PostOffice, SetClock
from tests.fixtures.gateway import OTHER_TENANT_KEY, TENANT_KEY
from tests.fixtures.receiver import Post, Receiver, refuse
from tests.fixtures.workflow_runs import kinds
from workflows.activities.overdue_deliveries import start_overdue
from workflows.activities.records import Records

GENERATION = {
    "task_type": "GENERATION",
    "prompt": "a red dress",
    "origin_instance": "shop",
    "width": 64,
    "height": 64,
}


async def create_task(office: PostOffice, url: str, **fields: Any) -> str:
    async with office.client() as api:
        body = GENERATION | {"webhook_url": url} | fields
        answer = await api.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def report(office: PostOffice, task_id: str, **fields: Any) -> None:
    """What a worker announces."""
    plain = {"task_id": task_id, "attempt": 1, "executor_instance": "w", "executor_type": "w"}
    moment = {"kind": "started", "at": "2026-01-01T00:00:00Z"}
    async with office.gateway.internal_client() as api:
        reports = {"reports": [plain | moment | fields]}
        answer = await api.post("/internal/progress", json=reports)
    assert answer.status_code == 204, answer.text


async def finish(office: PostOffice, task_id: str, status: TaskStatus) -> None:
    """What its run records."""
    outcome = TaskOutcome(
        task_id=uuid.UUID(task_id), status=status, owner=Owner(origin_instance="shop"), attempt=1
    )
    await Records(office.gateway.resources.sessions).finish_task(outcome)


async def secret_of(office: PostOffice, **owner: str) -> dict[str, Any]:
    async with office.client() as api:
        query = {"origin_instance": "shop"} | owner
        answer = await api.get("/api/v1/webhooks/secret", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def status_of_task(api: httpx.AsyncClient, task_id: str) -> str:
    return (await api.get(f"/api/v1/tasks/{task_id}")).json()["status"]


async def until_completed(office: PostOffice, task_id: str) -> None:
    async with office.client() as api, asyncio.timeout(60):
        while await status_of_task(api, task_id) != "COMPLETED":
            await asyncio.sleep(0.05)


async def test_every_event_of_a_task_comes_once_in_order_and_verifies(
    office: PostOffice, receiver: Receiver
) -> None:
    async with office.worker():
        task_id = await create_task(office, receiver.url())
        await report(office, task_id)
        await report(office, task_id, kind="progress", progress=40)
        await finish(office, task_id, TaskStatus.COMPLETED)
        posts = await receiver.until_status(task_id, "COMPLETED")
        logged = await office.until_logged(
            task_id, lambda log: all(each["status"] == "delivered" for each in log)
        )
        await office.until_run(task_id, WorkflowExecutionStatus.COMPLETED)

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
    keys = await secret_of(office)
    for post in posts:
        assert post.verify(keys["secret"]) == post.event
        post.verify_public(keys["public_key"])
        assert post.headers["content-type"] == "application/json"
    for each in logged:
        [attempt] = each["attempts"]
        assert (attempt["status_code"], attempt["error"]) == (204, None)
        assert each["next_attempt_at"] is None


async def test_first_attempt_comes_within_two_seconds_of_its_event(
    office: PostOffice, receiver: Receiver
) -> None:
    """The median: a single one may be held up by whatever else the machine does."""
    waits: list[timedelta] = []
    async with office.worker():
        for _ in range(15):
            task_id = await create_task(office, receiver.url())
            await receiver.until_status(task_id, "PENDING")
            [logged] = await office.until_logged(task_id, lambda log: bool(log[0]["attempts"]))
            created = datetime.fromisoformat(logged["created_at"])
            waits.append(datetime.fromisoformat(logged["attempts"][0]["at"]) - created)
    assert sorted(waits)[7] < timedelta(seconds=2)


async def test_task_without_a_webhook_leaves_nothing_to_deliver(office: PostOffice) -> None:
    task_id = await create_task(office, "")
    await finish(office, task_id, TaskStatus.COMPLETED)
    assert await office.deliveries(subject_id=task_id) == []
    assert await office.run_status(task_id) is None


async def test_run_ends_while_its_receiver_has_not_answered_yet(
    office: PostOffice, receiver: Receiver
) -> None:
    may_answer = asyncio.Event()

    async def wait(_post: Post) -> Response:
        await may_answer.wait()
        return Response()

    receiver.answer = wait
    async with office.worker(office.courier(timeout_s=30)), crew(office.gateway):
        task_id = await create_task(office, receiver.url())
        await receiver.until(bool)
        await until_completed(office, task_id)
        assert [post.seq for post in receiver.posts] == [1]
        pending = await office.deliveries(subject_id=task_id)
        assert {each["status"] for each in pending} == {"pending"}
        may_answer.set()
        posts = await receiver.until_status(task_id, "COMPLETED")
    assert [post.seq for post in posts] == sorted(post.seq for post in posts)


async def test_receiver_that_was_down_for_the_length_of_a_run_gets_all_of_it_afterwards(
    office: PostOffice, receiver: Receiver
) -> None:
    receiver.answer = refuse(503)
    clock = SetClock(datetime.now(UTC))  # stands still: the second attempt does not come by itself
    async with office.worker(office.courier(clock=clock)), crew(office.gateway):
        clock.now = datetime.now(UTC) + timedelta(seconds=2)
        task_id = await create_task(office, receiver.url())
        await until_completed(office, task_id)
        log = await office.until_logged(task_id, lambda log: bool(log[0]["attempts"]))
        assert [each["status"] for each in log] == ["pending"] * len(log)
        assert [len(each["attempts"]) for each in log] == [1] + [0] * (len(log) - 1)
        receiver.answer = refuse(204)
        clock.now += timedelta(hours=1)
        posts = await receiver.until_status(task_id, "COMPLETED")
    assert [post.seq for post in posts] == [1, *range(1, len(log) + 1)]
    assert posts[0].id == posts[1].id


async def test_event_that_is_not_taken_comes_again_under_its_id_before_the_next_one(
    office: PostOffice, receiver: Receiver
) -> None:
    answers = iter([500, 204, 204])

    async def answer(_post: Post) -> Response:
        return Response(status_code=next(answers))

    receiver.answer = answer
    async with office.worker():
        task_id = await create_task(office, receiver.url())
        await receiver.until(bool)
        await finish(office, task_id, TaskStatus.COMPLETED)
        first, again, last = await receiver.until_status(task_id, "COMPLETED")
        log = await office.until_logged(
            task_id, lambda log: [each["status"] for each in log] == ["delivered"] * 2
        )
    assert [first.seq, again.seq, last.seq] == [1, 1, 2]
    assert first.id == again.id != last.id
    secret = (await secret_of(office))["secret"]
    for post in (first, again, last):
        post.verify(secret)
    assert [a["status_code"] for a in log[0]["attempts"]] == [500, 204]
    moments = [datetime.fromisoformat(a["at"]) for a in log[0]["attempts"]]
    assert moments[1] - moments[0] >= timedelta(seconds=4.5)


async def test_receiver_that_is_gone_is_called_no_more_until_it_is_enabled(
    office: PostOffice, receiver: Receiver
) -> None:
    receiver.answer = refuse(410)
    url = receiver.url(f"/{uuid.uuid4()}")
    async with office.worker(), office.client() as api:
        task_id = await create_task(office, url)
        await office.until_logged(task_id, lambda log: log[0]["status"] == "disabled")
        await finish(office, task_id, TaskStatus.CANCELLED)
        another = await create_task(office, url)
        for subject in (task_id, another):
            log = await office.until_logged(
                subject, lambda log: all(each["status"] == "disabled" for each in log)
            )
        assert len(receiver.posts) == 1
        listed = (await api.get("/api/v1/webhooks/endpoints")).json()
        [endpoint] = [each for each in listed if each["url"] == url]
        assert endpoint["disabled_reason"] == "it has answered 410"

        receiver.answer = refuse(204)
        replay = f"/api/v1/webhooks/deliveries/{log[0]['id']}/replay"
        refused = await api.post(replay)
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
        assert endpoint["id"] in refused.json()["detail"]
        enabled = await api.post(f"/api/v1/webhooks/endpoints/{endpoint['id']}/enable")
        assert enabled.json()["disabled_at"] is enabled.json()["failing_since"] is None
        assert (await api.post(replay)).status_code == 200
        await receiver.until_status(another, "PENDING")
        await office.until_logged(another, lambda log: log[0]["status"] == "delivered")


async def test_replay_brings_the_same_event_under_the_same_id(
    office: PostOffice, receiver: Receiver
) -> None:
    async with office.worker(), office.client() as api:
        task_id = await create_task(office, receiver.url())
        [logged] = await office.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
        path = f"/api/v1/webhooks/deliveries/{logged['id']}"
        replayed = await api.post(f"{path}/replay")
        assert (replayed.status_code, replayed.json()["status"]) == (200, "pending")
        first, again = await receiver.until(lambda posts: len(posts) == 2)
        [logged] = await office.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
        assert len(logged["attempts"]) == 2
        assert (first.id, first.body) == (again.id, again.body)
        detail = (await api.get(path)).json()
    assert detail["payload"] == first.event
    again.verify((await secret_of(office))["secret"])


async def test_delivery_that_is_under_way_is_not_replayed(office: PostOffice) -> None:
    task_id = await create_task(office, "https://example.com/hook")
    [logged] = await office.deliveries(subject_id=task_id)
    async with office.client() as api:
        refused = await api.post(f"/api/v1/webhooks/deliveries/{logged['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_name_that_leads_to_an_address_of_our_own_is_not_called(
    office: PostOffice, receiver: Receiver
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    url = receiver.url(host="hooks.example.com")
    async with office.worker(office.courier(Guard(resolve=resolve))):
        task_id = await create_task(office, url)
        await finish(office, task_id, TaskStatus.COMPLETED)
        log = await office.until_logged(
            task_id, lambda log: [each["status"] for each in log] == ["failed"] * 2
        )
    assert receiver.posts == []
    for each in log:
        [attempt] = each["attempts"]
        assert "not public" in attempt["error"]


async def test_address_of_our_own_is_refused_at_once(
    office: PostOffice, receiver: Receiver
) -> None:
    async with office.gateway.client(guard=Guard()) as api:
        refused = await api.post(
            "/api/v1/tasks/", json=GENERATION | {"webhook_url": receiver.url()}
        )
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "webhook_url"]


async def test_tenants_events_are_signed_with_its_own_keys(
    office: PostOffice, receiver: Receiver
) -> None:
    async with office.worker(), office.client(TENANT_KEY) as acme:
        task_id = await create_task(office, receiver.url(), origin_tenant_id="acme")
        [post] = await receiver.until_status(task_id, "PENDING")
        own = (await acme.get("/api/v1/webhooks/secret")).json()
        async with office.client(OTHER_TENANT_KEY) as other:
            theirs = (await other.get("/api/v1/webhooks/secret")).json()
            [logged] = (
                await acme.get("/api/v1/webhooks/deliveries", params={"subject_id": task_id})
            ).json()
            for path in (f"deliveries/{logged['id']}", f"deliveries/{logged['id']}/replay"):
                method = "POST" if path.endswith("replay") else "GET"
                hidden = await other.request(method, f"/api/v1/webhooks/{path}")
                assert hidden.status_code == 404
            listed = await other.get("/api/v1/webhooks/deliveries", params={"subject_id": task_id})
            assert listed.json() == []
    post.verify(own["secret"])
    with pytest.raises(WebhookVerificationError):
        post.verify(theirs["secret"])


async def test_replaced_keys_sign_along_until_they_expire(
    office: PostOffice, receiver: Receiver
) -> None:
    owner = {"origin_instance": "shop", "origin_tenant_id": f"rotating-{uuid.uuid4()}"}
    old = await secret_of(office, **owner)
    assert old == await secret_of(office, **owner)
    async with office.worker(), office.client() as api:

        async def event_after_rotation(**query: Any) -> tuple[Post, dict[str, Any]]:
            rotated = await api.post("/api/v1/webhooks/secret/rotate", params=owner | query)
            assert rotated.status_code == 200, rotated.text
            task_id = await create_task(office, receiver.url(), **owner)
            return (await receiver.until_status(task_id, "PENDING"))[0], rotated.json()

        post, new = await event_after_rotation()
        post.verify(old["secret"])
        post.verify(new["secret"])
        [previous] = new["previous"]
        assert previous["public_key"] == old["public_key"]
        left = datetime.fromisoformat(previous["expires_at"]) - datetime.now(UTC)
        assert left == pytest.approx(timedelta(days=1), abs=timedelta(minutes=5))

        post, newest = await event_after_rotation(overlap_s=0)
        post.verify(newest["secret"])
        assert newest["previous"] == []
        for keys in (old, new):
            with pytest.raises(WebhookVerificationError):
                post.verify(keys["secret"])


async def test_who_is_bound_to_no_instance_says_whose_keys(office: PostOffice) -> None:
    async with office.client() as api:
        refused = await api.get("/api/v1/webhooks/secret")
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "origin_instance"]


STEPS = [
    {"id": "a", "task_type": "GENERATION", "config": {"prompt": "a red dress"}},
    {"id": "b", "task_type": "GENERATION", "config": {"prompt": "a blue dress"}},
]


@pytest.mark.parametrize("is_suppressed", [True, False])
async def test_steps_tell_their_events_unless_that_is_suppressed(
    office: PostOffice, receiver: Receiver, *, is_suppressed: bool
) -> None:
    body = {
        "name": "one",
        "origin_instance": "shop",
        "webhook_url": receiver.url(),
        "suppress_subtask_events": is_suppressed,
        "steps": STEPS,
    }
    async with office.worker(), office.client() as api:
        created = await api.post("/api/v1/workflows/?start=false", json=body)
        workflow = created.json()
        cancelled = await api.delete(f"/api/v1/workflows/{workflow['id']}")
        assert cancelled.status_code == 200, (cancelled.text, created.text)
        own = await receiver.until_status(workflow["id"], "CANCELLED")
        tasks = [step["task_id"] for step in workflow["steps"]]
        if not is_suppressed:
            for task_id in tasks:
                events = await receiver.until_status(task_id, "CANCELLED")
                assert [post.seq for post in events] == [1, 2]
    # Each step's end moves its workflow on, before that ends itself.
    assert [post.seq for post in own] == list(range(1, len(own) + 1))
    assert own[-1].event["workflow_id"] == workflow["id"]
    told = {post.event["task_id"] for post in receiver.posts}
    assert told == {workflow["id"]} if is_suppressed else {workflow["id"], *tasks}


async def test_steps_follow_where_their_workflow_is_redirected(office: PostOffice) -> None:
    created: dict[bool, Any] = {}
    async with office.client() as api:
        for is_suppressed in (True, False):
            body = {
                "name": "one",
                "origin_instance": "shop",
                "webhook_url": "https://old.example.com/",
                "suppress_subtask_events": is_suppressed,
                "steps": STEPS[:1],
            }
            answer = await api.post("/api/v1/workflows/?start=false", json=body)
            path = f"/api/v1/workflows/{answer.json()['id']}"
            changed = await api.patch(path, json={"webhook_url": "https://new.example.com/"})
            assert changed.status_code == 200
            assert (await api.delete(path)).status_code == 200
            task_id = answer.json()["steps"][0]["task_id"]
            created[is_suppressed] = await office.deliveries(subject_id=task_id)
    assert created[True] == []
    urls = [each["url"] for each in reversed(created[False])]
    assert urls == ["https://old.example.com/", "https://new.example.com/"]


async def test_delivery_that_nobody_was_woken_for_is_found_and_started(
    office: PostOffice, receiver: Receiver, sessions: Sessions
) -> None:
    """What a gateway leaves that was killed between its commit and the wake."""
    silent = office.gateway.client(guard=office.gateway.resources.guard, sessions=sessions)
    async with silent as api:
        answer = await api.post("/api/v1/tasks/", json=GENERATION | {"webhook_url": receiver.url()})
    task_id = answer.json()["id"]
    assert await office.run_status(task_id) is None

    await start_overdue(office.temporal, sessions, datetime.now(UTC) - timedelta(minutes=1))
    assert await office.run_status(task_id) is None
    await start_overdue(office.temporal, sessions, datetime.now(UTC))
    assert await office.run_status(task_id) == WorkflowExecutionStatus.RUNNING
    await start_overdue(office.temporal, sessions, datetime.now(UTC))
    async with office.worker():
        await receiver.until_status(task_id, "PENDING")
        await office.until_run(task_id, WorkflowExecutionStatus.COMPLETED)
    history = await office.temporal.get_workflow_handle(f"delivery-{task_id}").fetch_history()
    assert len(history.events) == 11, kinds(history)


async def test_wake_costs_one_event_of_a_delivery(office: PostOffice, receiver: Receiver) -> None:
    task_id = await create_task(office, receiver.url())
    await office.until_run(task_id, WorkflowExecutionStatus.RUNNING)
    async with office.worker():
        await office.until_run(task_id, WorkflowExecutionStatus.COMPLETED)
    history = await office.temporal.get_workflow_handle(f"delivery-{task_id}").fetch_history()
    assert len(history.events) == 12, kinds(history)


@asynccontextmanager
async def worker_process(office: PostOffice) -> AsyncIterator[asyncio.subprocess.Process]:
    root = Path(__file__).parents[3]
    environment = os.environ | office.gateway.stack.environment
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fixtures.deliveries_process",
        "to-be-killed",
        cwd=root,
        env=environment
        | {
            "SARTIQ_TEMPORAL_NAMESPACE": office.temporal.namespace,
            "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
        },
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_worker_killed_between_answer_and_record_delivers_again_under_the_same_id(
    office: PostOffice, receiver: Receiver
) -> None:
    async with worker_process(office) as process:

        async def kill(_post: Post) -> Response:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            return Response()

        receiver.answer = kill
        task_id = await create_task(office, receiver.url())
        await receiver.until(bool, timeout_s=60)
        await process.wait()
    [logged] = await office.deliveries(subject_id=task_id)
    assert (logged["status"], logged["attempts"]) == ("pending", [])
    receiver.answer = refuse(204)
    async with office.worker():
        await receiver.until(lambda posts: len(posts) == 2, timeout_s=60)
        [logged] = await office.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
    first, again = receiver.posts
    assert (first.id, first.body) == (again.id, again.body)
    assert first.id == logged["webhook_id"]
