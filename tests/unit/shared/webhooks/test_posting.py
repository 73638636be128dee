"""Results of delivery attempts, by the receiver's response."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from starlette.responses import Response

from shared.egress.guard import STRICT, Exemptions, Guard
from shared.webhooks.posting import DeliveryVerdict, PostResult, post
from tests.fixtures.receiver import Post, Receiver, receiving, refuse

LOOPBACK = Guard(Exemptions.parse(["127.0.0.1"]))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


async def send(url: str, guard: Guard = LOOPBACK, timeout_s: float = 5) -> PostResult:
    return await post(url, {"webhook-id": "msg_1"}, b"{}", guard=guard, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, DeliveryVerdict.DELIVERED),
        (204, DeliveryVerdict.DELIVERED),
        (299, DeliveryVerdict.DELIVERED),
        (302, DeliveryVerdict.FAILED),
        (400, DeliveryVerdict.FAILED),
        (410, DeliveryVerdict.GONE),
        (429, DeliveryVerdict.FAILED),
        (500, DeliveryVerdict.FAILED),
    ],
)
async def test_status_decides_on_delivery(
    receiver: Receiver, status: int, verdict: DeliveryVerdict
) -> None:
    receiver.answer = refuse(status)
    answer = await send(receiver.url())
    assert (answer.status_code, answer.verdict) == (status, verdict)
    assert (answer.error is None) == (verdict is DeliveryVerdict.DELIVERED)


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.answer = refuse(307, location=receiver.url("/elsewhere"))
    answer = await send(receiver.url())
    assert answer.verdict is DeliveryVerdict.FAILED
    assert "redirects are not followed" in (answer.error or "")
    assert [each.path for each in receiver.posts] == ["/hook"]


async def test_retry_after_is_read_in_both_formats(receiver: Receiver) -> None:
    receiver.answer = refuse(429, retry_after="120")
    assert (await send(receiver.url())).retry_after_s == 120
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    receiver.answer = refuse(503, retry_after=soon)
    assert (await send(receiver.url())).retry_after_s == pytest.approx(300, abs=30)
    for nonsense in ("soon", "-5", "Mon, 99 Foo 2026"):
        receiver.answer = refuse(503, retry_after=nonsense)
        assert (await send(receiver.url())).retry_after_s is None
    receiver.answer = refuse(500, retry_after="120")
    assert (await send(receiver.url())).retry_after_s is None


async def test_timeout_is_a_failed_delivery(
    receiver: Receiver,
) -> None:
    is_over = asyncio.Event()

    async def hang(_post: Post) -> Response:
        await is_over.wait()
        return Response()

    receiver.answer = hang
    answer = await send(receiver.url(), timeout_s=0.2)
    is_over.set()
    assert (answer.verdict, answer.status_code) == (DeliveryVerdict.FAILED, None)
    assert answer.error == "no response within 0.2 s"
    assert answer.ms >= 190


async def test_unreachable_receiver_is_a_failed_delivery() -> None:
    async with receiving() as receiver:
        url = receiver.url()
    answer = await send(url)
    assert answer.verdict is DeliveryVerdict.FAILED
    assert "did not respond" in (answer.error or "")


async def test_nothing_is_sent_to_private_addresses(receiver: Receiver) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    named = await send(receiver.url(host="hooks.example.com"), Guard(resolve=resolve))
    literal = await send(receiver.url(), STRICT)
    for answer in (named, literal):
        assert answer.verdict is DeliveryVerdict.FORBIDDEN
        assert "not public" in (answer.error or "")
    assert receiver.posts == []
