"""Receivers that are gone, redeliveries, and addresses that are not called."""

import uuid

from shared.contracts.enums import TaskStatus
from shared.egress.guard import Guard
from tests.fixtures.deliveries import GENERATION, DeliveryHarness
from tests.fixtures.receiver import Receiver, refuse


async def test_receiver_that_returns_410_is_disabled_until_it_is_enabled(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    receiver.answer = refuse(410)
    url = receiver.url(f"/{uuid.uuid4()}")
    async with harness.worker(), harness.client() as api:
        task_id = await harness.create_task(url)
        await harness.until_logged(task_id, lambda log: log[0]["status"] == "disabled")
        await harness.finish(task_id, TaskStatus.CANCELLED)
        another = await harness.create_task(url)
        for subject in (task_id, another):
            log = await harness.until_logged(
                subject, lambda log: all(each["status"] == "disabled" for each in log)
            )
        assert len(receiver.posts) == 1
        listed = (await api.get("/api/v1/webhooks/endpoints")).json()
        [endpoint] = [each for each in listed if each["url"] == url]
        assert endpoint["disabled_reason"] == "it returned 410 Gone"

        receiver.answer = refuse(204)
        replay = f"/api/v1/webhooks/deliveries/{log[0]['id']}/replay"
        refused = await api.post(replay)
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
        assert endpoint["id"] in refused.json()["detail"]
        enabled = await api.post(f"/api/v1/webhooks/endpoints/{endpoint['id']}/enable")
        assert enabled.json()["disabled_at"] is enabled.json()["failing_since"] is None
        assert (await api.post(replay)).status_code == 200
        await receiver.until_status(another, "PENDING")
        await harness.until_logged(another, lambda log: log[0]["status"] == "delivered")


async def test_replay_sends_the_same_event_under_the_same_id(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    async with harness.worker(), harness.client() as api:
        task_id = await harness.create_task(receiver.url())
        [logged] = await harness.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
        path = f"/api/v1/webhooks/deliveries/{logged['id']}"
        replayed = await api.post(f"{path}/replay")
        assert (replayed.status_code, replayed.json()["status"]) == (200, "pending")
        first, again = await receiver.until(lambda posts: len(posts) == 2)
        [logged] = await harness.until_logged(task_id, lambda log: log[0]["status"] == "delivered")
        assert len(logged["attempts"]) == 2
        assert (first.id, first.body) == (again.id, again.body)
        detail = (await api.get(path)).json()
    assert detail["payload"] == first.event
    again.verify((await harness.secret_of())["secret"])


async def test_pending_delivery_is_not_replayed(harness: DeliveryHarness) -> None:
    task_id = await harness.create_task("https://example.com/hook")
    [logged] = await harness.deliveries(subject_id=task_id)
    async with harness.client() as api:
        refused = await api.post(f"/api/v1/webhooks/deliveries/{logged['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_name_of_a_private_address_is_not_called(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    url = receiver.url(host="hooks.example.com")
    async with harness.worker(harness.courier(Guard(resolve=resolve))):
        task_id = await harness.create_task(url)
        await harness.finish(task_id, TaskStatus.COMPLETED)
        log = await harness.until_logged(
            task_id, lambda log: [each["status"] for each in log] == ["failed"] * 2
        )
    assert receiver.posts == []
    for each in log:
        [attempt] = each["attempts"]
        assert "not public" in attempt["error"]


async def test_private_address_is_refused_at_once(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    async with harness.gateway.client(guard=Guard()) as api:
        refused = await api.post(
            "/api/v1/tasks/", json=GENERATION | {"webhook_url": receiver.url()}
        )
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "webhook_url"]
