"""Deliveries on real records, with a clock that a test sets: the whole schedule and its end."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from shared.contracts.deliveries import DeliveryProgress, DeliveryRun, DeliveryState
from shared.contracts.enums import EventType, TaskStatus
from shared.db.models.tables import Event, Task
from shared.db.models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookSecret
from shared.db.repositories.deliveries import sweep_deliveries
from shared.db.repositories.events import add_task_event
from shared.db.repositories.webhook_secrets import sweep_secrets
from shared.db.session import Sessions
from shared.egress.guard import Exemptions, Guard
from shared.webhooks.schedule import DELAYS_S
from tests.fixtures.deliveries import LOOPBACK, DeliveryHarness, SetClock
from tests.fixtures.receiver import Receiver, refuse
from tests.fixtures.rows import add, task_row
from workflows.activities.deliver import Courier


async def task_with_events(sessions: Sessions, url: str, events: int, **fields: Any) -> uuid.UUID:
    row = task_row(webhook_url=url, last_seq=0, status=TaskStatus.EXECUTING, **fields)
    async with sessions.begin() as session:
        session.add(row)
        await session.flush()
        for _ in range(events):
            add_task_event(session, row, EventType.TASK_STATUS_UPDATE)
    return row.id


async def deliver(courier: Courier, subject_id: uuid.UUID) -> DeliveryProgress:
    return await ActivityEnvironment().run(
        courier.deliver_pending, DeliveryRun(subject_id=subject_id)
    )


async def rows_of(sessions: Sessions, subject_id: uuid.UUID) -> list[WebhookDelivery]:
    async with sessions() as session:
        rows = select(WebhookDelivery).where(WebhookDelivery.subject_id == subject_id)
        return list(await session.scalars(rows.order_by(WebhookDelivery.seq)))


async def endpoint(sessions: Sessions, url: str) -> WebhookEndpoint:
    async with sessions() as session:
        rows = select(WebhookEndpoint).where(WebhookEndpoint.url == url)
        return (await session.scalars(rows)).one()


async def test_event_is_given_up_after_ten_attempts_and_the_next_one_goes_on(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    receiver.answer = refuse(500)
    subject_id = await task_with_events(sessions, receiver.url(), 2)
    clock = SetClock(datetime.now(UTC))
    courier = harness.courier(clock=clock)
    begun, waits = clock.now, list[float]()
    while (standing := await deliver(courier, subject_id)).failures < 10:
        assert standing.state == DeliveryState.WAITING
        assert standing.error == "the receiver returned 500"
        if {post.seq for post in receiver.posts} == {1, 2}:
            break
        waits.append(standing.wait_s)
        clock.now += timedelta(seconds=standing.wait_s)

    assert waits == [pytest.approx(delay, rel=0.11) for delay in DELAYS_S[1:]]
    assert clock.now - begun == pytest.approx(timedelta(hours=75.6), abs=timedelta(hours=7.6))
    first, second = await rows_of(sessions, subject_id)
    assert (first.status, len(first.attempts), first.next_attempt_at) == ("failed", 10, None)
    assert (second.status, len(second.attempts)) == ("pending", 1)
    assert len({post.id for post in receiver.posts if post.seq == 1}) == 1
    assert (await endpoint(sessions, receiver.url())).failing_since == begun

    receiver.answer = refuse(200)
    clock.now += timedelta(seconds=standing.wait_s)
    assert (await deliver(courier, subject_id)).state == DeliveryState.DRAINED
    assert (await endpoint(sessions, receiver.url())).failing_since is None
    assert [row.status for row in await rows_of(sessions, subject_id)] == ["failed", "delivered"]


async def test_receiver_that_fails_for_five_days_is_disabled(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    receiver.answer = refuse(500)
    url = receiver.url(f"/{uuid.uuid4()}")
    subject_id = await task_with_events(sessions, url, 5)
    clock = SetClock(datetime.now(UTC))
    courier, begun = harness.courier(clock=clock), clock.now
    while (standing := await deliver(courier, subject_id)).state == DeliveryState.WAITING:
        clock.now += timedelta(seconds=standing.wait_s)

    assert standing.state == DeliveryState.DRAINED
    assert timedelta(days=5) <= clock.now - begun <= timedelta(days=7)
    statuses = [row.status for row in await rows_of(sessions, subject_id)]
    assert statuses == ["failed", *["disabled"] * 4]
    found = await endpoint(sessions, url)
    assert (found.disabled_at, found.disabled_reason) == (
        clock.now,
        "all deliveries failed for 5 days",
    )


async def elsewhere(_host: str, _port: int) -> list[str]:
    """Create a receiver on a port without a listener."""
    return ["127.0.0.9"]


async def broken(_host: str, _port: int) -> list[str]:
    raise RuntimeError("nobody foresaw this")


@pytest.mark.parametrize(
    ("host", "guard"),
    [
        ("127.0.0.1", LOOPBACK),
        ("xn--a.example", Guard(Exemptions.parse(["127.0.0.0/8"]), elsewhere)),
        ("hooks.example.com", Guard(resolve=broken)),
    ],
    ids=["asks to wait beyond all dates", "a look-alike that is down", "unforeseen"],
)
async def test_unexpected_error_counts_as_a_failed_attempt(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions, host: str, guard: Guard
) -> None:
    receiver.answer = refuse(503, retry_after="Mon, 1 Jan 99999999999999999999 00:00:00 GMT")
    url = receiver.url(f"/{uuid.uuid4()}", host)
    subject_id = await task_with_events(sessions, url, 3)
    clock = SetClock(datetime.now(UTC))
    courier, waits = harness.courier(guard, clock=clock), list[float]()
    while (standing := await deliver(courier, subject_id)).state == DeliveryState.WAITING:
        waits.append(standing.wait_s)
        assert standing.error
        clock.now += timedelta(seconds=standing.wait_s)

    assert standing.state == DeliveryState.DRAINED
    assert waits[:9] == [pytest.approx(delay, rel=0.11) for delay in DELAYS_S[1:]]
    first, *later = await rows_of(sessions, subject_id)
    assert (first.status, len(first.attempts)) == ("failed", 10)
    assert all(attempt["error"] for attempt in first.attempts)
    assert [row.status for row in later] == ["disabled"] * 2
    assert (await endpoint(sessions, url)).disabled_at == clock.now


async def test_undecryptable_keys_block_nothing_and_do_not_count_against_the_receiver(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    tenant = f"sealed-{uuid.uuid4()}"
    secret = WebhookSecret(origin_instance=tenant, sealed_secret="x", sealed_seed="x")
    await add(sessions, secret)
    subject_id = await task_with_events(sessions, receiver.url(), 2, origin_instance=tenant)
    clock = SetClock(datetime.now(UTC))
    courier = harness.courier(clock=clock)
    while (standing := await deliver(courier, subject_id)).state == DeliveryState.WAITING:
        clock.now += timedelta(seconds=standing.wait_s)

    assert receiver.posts == []
    first, second = await rows_of(sessions, subject_id)
    assert [(row.status, len(row.attempts)) for row in (first, second)] == [("failed", 10)] * 2
    assert "cannot be decrypted" in first.attempts[0]["error"]
    async with harness.client() as api:
        query = {"origin_instance": tenant, "overlap_s": 0}
        rotated = await api.post("/api/v1/webhooks/secret/rotate", params=query)
        assert rotated.status_code == 200, rotated.text
        replayed = await api.post(f"/api/v1/webhooks/deliveries/{first.id}/replay")
        assert replayed.status_code == 200
    await deliver(courier, subject_id)
    [sent] = receiver.posts
    sent.verify(rotated.json()["secret"])


async def test_receiver_is_not_called_before_the_time_it_asks_for(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    receiver.answer = refuse(429, retry_after="1000")
    subject_id = await task_with_events(sessions, receiver.url(), 1)
    clock = SetClock(datetime.now(UTC))
    courier = harness.courier(clock=clock)
    for _ in range(2):
        standing = await deliver(courier, subject_id)
        assert standing.wait_s == pytest.approx(1000, abs=5)
    assert len(receiver.posts) == 1


async def test_backlog_is_delivered_in_one_activity(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    subject_id = await task_with_events(sessions, receiver.url(), 20)
    standing = await deliver(harness.courier(), subject_id)
    assert standing.state == DeliveryState.DRAINED
    assert [post.seq for post in receiver.posts] == list(range(1, 21))


async def test_log_keeps_only_the_latest_attempts(
    harness: DeliveryHarness, receiver: Receiver, sessions: Sessions
) -> None:
    subject_id = await task_with_events(sessions, receiver.url(), 1)
    courier = harness.courier()
    async with harness.client() as api:
        for _ in range(52):
            await deliver(courier, subject_id)
            [row] = await rows_of(sessions, subject_id)
            assert row.status == "delivered"
            await api.post(f"/api/v1/webhooks/deliveries/{row.id}/replay")
    assert len(row.attempts) == 50


async def test_deliveries_older_than_ninety_days_are_deleted(sessions: Sessions) -> None:
    url = "https://example.com/hook"
    old, young = [await task_with_events(sessions, url, 1) for _ in range(2)]
    async with sessions.begin() as session:
        for subject_id, days in ((old, 91), (young, 89)):
            rows = select(WebhookDelivery).where(WebhookDelivery.subject_id == subject_id)
            row = (await session.scalars(rows)).one()
            row.created_at = datetime.now(UTC) - timedelta(days=days)
    tenant = f"swept-{uuid.uuid4()}"
    expired, valid, current = (
        WebhookSecret(
            origin_instance=tenant, sealed_secret="x", sealed_seed="x", expires_at=expires_at
        )
        for expires_at in (
            datetime.now(UTC) - timedelta(seconds=1),
            datetime.now(UTC) + timedelta(days=1),
            None,
        )
    )
    await add(sessions, expired, valid, current)

    async with sessions.begin() as session:
        assert await sweep_deliveries(session) >= 1
        await sweep_secrets(session, datetime.now(UTC))

    assert (await rows_of(sessions, old), len(await rows_of(sessions, young))) == ([], 1)
    async with sessions() as session:
        assert await session.scalar(select(Event).where(Event.subject_id == old)) is not None
        kept = await session.scalars(
            select(WebhookSecret.id).where(WebhookSecret.origin_instance == tenant)
        )
        assert set(kept) == {valid.id, current.id}
        assert await session.get(Task, old) is not None
