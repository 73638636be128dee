"""Hostile receivers on raw sockets: every attempt ends with a result, never with an exception."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.egress import sending
from shared.egress.guard import Exemptions, Guard
from shared.egress.retry_after import LONGEST_RETRY_AFTER_S
from shared.webhooks.posting import UNFORESEEN, DeliveryVerdict, PostResult, post
from tests.fixtures.certificates import Authority

Raw = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = Exemptions.parse(["127.0.0.1"])
TAKEN = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: "


async def resolve(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


NAMED = Guard(Exemptions.parse(["127.0.0.0/8"]), resolve)


@asynccontextmanager
async def listening(raw: Raw) -> AsyncIterator[int]:
    """A port that responds to every request with these bytes, and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"{}")
            if isinstance(raw, bytes):
                writer.write(raw)
            else:
                await raw(writer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def attempt(
    url: str, guard: Guard | None = None, timeout_s: float = 10, body: bytes = b"{}"
) -> PostResult:
    """Post once, and check the invariants of a result."""
    using = guard or Guard(LOOPBACK)
    answer = await post(url, {"webhook-id": "msg_1"}, body, guard=using, timeout_s=timeout_s)
    assert (answer.error is None) == (answer.verdict is DeliveryVerdict.DELIVERED)
    assert len(answer.error or "") < 400
    assert (answer.error or "").isprintable()
    assert "b'" not in (answer.error or "")
    assert answer.retry_after_s is None or 0 <= answer.retry_after_s <= LONGEST_RETRY_AFTER_S
    return answer


async def answer_to(raw: Raw, timeout_s: float = 10) -> PostResult:
    async with listening(raw) as port:
        return await attempt(f"http://127.0.0.1:{port}/", timeout_s=timeout_s)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 000 None\r\n\r\n",
        b"HTTP/1.1 1000 Many\r\n\r\n",
        b"HTTP/1.1 999 Most\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: at once\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000,
    ],
)
async def test_invalid_http_response_is_a_failed_attempt(raw: bytes) -> None:
    answer = await answer_to(raw)
    assert answer.verdict is DeliveryVerdict.FAILED
    assert answer.error != UNFORESEEN


async def test_connection_may_end_at_every_byte_of_the_response() -> None:
    answers = await asyncio.gather(*(answer_to(TAKEN[:end]) for end in range(len(TAKEN))))
    assert {answer.verdict for answer in answers} == {DeliveryVerdict.FAILED}
    assert UNFORESEEN not in {answer.error for answer in answers}
    assert (await answer_to(TAKEN)).verdict is DeliveryVerdict.DELIVERED


@pytest.mark.parametrize(
    ("start", "again", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: a\r\n" * 1000, DeliveryVerdict.FAILED),
        (b"HTTP/1.1 200 ", b"K" * 10_000, DeliveryVerdict.FAILED),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, DeliveryVerdict.FAILED),
        (TAKEN.replace(b": 2", b": 999999999"), b"body" * 1000, DeliveryVerdict.DELIVERED),
    ],
    ids=["headers", "a line", "provisional answers", "a body"],
)
async def test_endless_response_times_out(
    start: bytes, again: bytes, verdict: DeliveryVerdict
) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()

    assert (await answer_to(flood, timeout_s=0.5)).verdict is verdict


async def test_receiver_that_reads_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        answer = await attempt(url, timeout_s=0.3, body=b"{" * 50_000_000)
    assert answer.error == "no response within 0.3 s"


async def test_redirect_to_itself_is_called_once() -> None:
    calls: list[int] = []

    async def redirect(writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        writer.write(b"HTTP/1.1 307 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    assert "redirects are not followed" in ((await answer_to(redirect)).error or "")
    assert calls == [1]


async def test_server_without_tls_is_a_failed_delivery() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(TAKEN)
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await attempt(f"https://127.0.0.1:{port}/")
    assert answer.verdict is DeliveryVerdict.FAILED
    assert answer.error != UNFORESEEN


async def test_broken_tls_is_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign("hooks.example.com")
    trusting = ssl.create_default_context(cafile=authority.cert)
    monkeypatch.setattr(sending, "_tls", lambda: trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)

    def spoil(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        with context.wrap_socket(raw, server_side=True) as spoilt:
            spoilt.recv(65536)
            os.write(spoilt.fileno(), b"garbage " * 100)
            with contextlib.suppress(OSError):
                spoilt.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://hooks.example.com:{listener.getsockname()[1]}/"
        spoiling = asyncio.create_task(asyncio.to_thread(spoil, listener))
        answer = await attempt(url, NAMED)
        await spoiling
    assert answer.verdict is DeliveryVerdict.FAILED
    assert answer.error != UNFORESEEN


@pytest.mark.parametrize("host", ["xn--a", "xn--0.com", "xn--80ak6aa92e.com", "a_b.example"])
async def test_any_unreachable_name_is_a_failed_delivery(host: str) -> None:
    """Punycode names (`xn--`) that do not decode are a result, not an exception."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for scheme in ("http", "https"):
        answer = await attempt(f"{scheme}://{host}:{port}/", NAMED)
        assert answer.verdict is DeliveryVerdict.FAILED
        assert answer.error != UNFORESEEN
        assert host in (answer.error or "")


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), UnicodeError("y"), ValueError(), OSError(), KeyError(1)]
)
async def test_unexpected_error_is_a_failed_attempt(error: Exception) -> None:
    async def broken(_host: str, _port: int) -> list[str]:
        raise error

    async def nonsense(_host: str, _port: int) -> list[str]:
        return ["no address"]

    for resolver in (broken, nonsense):
        answer = await attempt("http://hooks.example.com/", Guard(resolve=resolver))
        assert answer.verdict is DeliveryVerdict.FAILED


async def test_cancellation_is_raised() -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    sent = asyncio.create_task(attempt("http://hooks.example.com/", Guard(resolve=never)))
    await asyncio.sleep(0)
    sent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sent


@settings(max_examples=100)
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", TAKEN, BUSY]))
def test_any_response_gives_a_result(raw: bytes, start: bytes) -> None:
    assert asyncio.run(answer_to(start + raw)).error != UNFORESEEN


@settings(max_examples=100)
@given(st.binary(max_size=60) | st.from_regex(rb"[A-Z][a-z]{2}, \d+[ -][A-Z][a-z]{2}[ -]\d+ .*"))
def test_any_retry_after_gives_a_result(value: bytes) -> None:
    assert asyncio.run(answer_to(BUSY + value + b"\r\n\r\n")).error != UNFORESEEN
