"""Downloads from real servers on loopback, with and without an exemption in the guard."""

import asyncio
import errno
import io
import os
from collections.abc import AsyncIterator

import pytest

from shared.contracts.enums import ErrorCategory
from shared.egress.download import Pace
from shared.egress.errors import FetchError, ForbiddenUrlError, TooLargeError
from shared.egress.fetch import Fetched, fetch, fetch_to_file
from shared.egress.guard import STRICT, Exemptions, Guard
from shared.egress.sending import OutboundRequest, send
from shared.errors import ResourceError
from tests.fixtures.raw_server import Server, listening, redirect, reply

NO_NAME_HERE = "pictures.example"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


class Names:
    """A resolver that returns given addresses in turn, then the last ones forever."""

    def __init__(self, *answers: str | list[str]) -> None:
        self.asked: list[str] = []
        self._answers = [[answer] if isinstance(answer, str) else answer for answer in answers]

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def guard(*allowed: str, names: Names | None = None) -> Guard:
    exemptions = Exemptions.parse(allowed or ("127.0.0.1",))
    return Guard(exemptions, names) if names else Guard(exemptions)


async def get(
    url: str,
    using: Guard | None = None,
    max_bytes: int = 1000,
    timeout_s: float = 20,
    headers: dict[str, str] | None = None,
) -> Fetched:
    return await fetch(
        url, max_bytes=max_bytes, timeout_s=timeout_s, headers=headers, guard=using or guard()
    )


async def test_content_and_type_are_returned(server: Server) -> None:
    server.answers["/a.png?b=c"] = reply(b"picture", Content_Type="Image/PNG; q=1")

    found = await get(server.url("/a.png?b=c#part"))

    assert (found.content, found.content_type) == (b"picture", "image/png")
    assert found.final_url == server.url("/a.png?b=c#part")
    assert f"host: 127.0.0.1:{server.port}" in server.requests[0].lower()


async def test_loopback_is_not_called_by_default(server: Server) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(ForbiddenUrlError):
            await get(server.url("/", host), STRICT)
    assert server.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
async def test_name_that_resolves_to_a_private_address_is_not_called(
    server: Server, address: str
) -> None:
    with pytest.raises(ForbiddenUrlError, match="not public"):
        await get(server.url("/", NO_NAME_HERE), Guard(resolve=Names(address)))
    assert server.requests == []


async def test_one_private_address_among_public_ones_is_enough_to_refuse(server: Server) -> None:
    names = Names(["93.184.216.34", "127.0.0.1"])
    with pytest.raises(ForbiddenUrlError, match="not public"):
        await get(server.url("/", NO_NAME_HERE), Guard(resolve=names))
    assert server.requests == []


async def test_checked_address_is_the_one_that_is_called(server: Server) -> None:
    """DNS rebinding: a second query would return another address."""
    server.answers["/"] = reply(b"picture")
    async with listening("127.0.0.2", server.port) as other:
        names = Names("127.0.0.1", "127.0.0.2")
        found = await get(server.url("/", NO_NAME_HERE), guard(names=names))

    assert found.content == b"picture"
    assert f"host: {NO_NAME_HERE}" in server.requests[0].lower()
    assert names.asked == [NO_NAME_HERE]
    assert other.requests == []


async def test_name_that_turns_private_between_two_hops_is_not_called_again(
    server: Server,
) -> None:
    server.answers["/"] = redirect("/again")
    async with listening("127.0.0.2", server.port) as private:
        names = Names("127.0.0.1", "127.0.0.2")
        with pytest.raises(ForbiddenUrlError, match="not public") as refused:
            await get(server.url("/", NO_NAME_HERE), guard(names=names))

    assert "127.0.0.2" not in str(refused.value)
    assert len(server.requests) == 1
    assert private.requests == []


async def test_next_address_is_tried_when_one_does_not_answer(server: Server) -> None:
    server.answers["/"] = reply(b"picture")
    names = Names(["127.0.0.3", "127.0.0.1"])
    found = await get(server.url("/", NO_NAME_HERE), guard("127.0.0.0/8", names=names))
    assert found.content == b"picture"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0x7f.1/",
        "http://2130706433/",
        "//10.0.0.1/",
        "http://%6cocalhost/",
        "http://169.254.169%2e254/",
        "http://a:b@127.0.0.1/",
        "http://127.0.0.1:22/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://example.com/a",
        "http://[",
    ],
)
async def test_redirect_to_a_forbidden_url_is_refused(server: Server, location: str) -> None:
    server.answers["/"] = redirect(location)
    with pytest.raises(ForbiddenUrlError):
        await get(server.url("/"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_redirects_are_followed(server: Server, status: str) -> None:
    server.answers |= {"/a": redirect("b?c", status), "/b?c": reply(b"picture")}
    found = await get(server.url("/a"))
    assert (found.content, found.final_url) == (b"picture", server.url("/b?c"))


async def test_five_redirects_are_followed_and_a_sixth_is_not(server: Server) -> None:
    server.answers |= {f"/{n}": redirect(f"/{n + 1}") for n in range(6)}
    server.answers["/6"] = reply(b"picture")

    assert (await get(server.url("/1"))).content == b"picture"
    with pytest.raises(FetchError, match="more than 5 times") as failed:
        await get(server.url("/0"))
    assert failed.value.category == ErrorCategory.VALIDATION


async def test_redirect_to_a_name_that_decodes_to_nothing_is_followed(server: Server) -> None:
    server.answers |= {"/": redirect(server.url("/b", "xn--a.example")), "/b": reply(b"picture")}
    found = await get(server.url("/"), guard(names=Names("127.0.0.1")))
    assert (found.content, found.final_url) == (b"picture", server.url("/b", "xn--a.example"))


async def test_credentials_are_only_sent_to_their_origin(server: Server) -> None:
    async with listening() as other:
        server.answers |= {"/a": redirect("/b"), "/b": redirect(other.url("/c"))}
        other.answers["/c"] = redirect(server.url("/d"))
        server.answers["/d"] = reply(b"picture")
        await get(
            server.url("/a"), headers={"Authorization": "Bearer x", "Cookie": "y", "X-Kept": "z"}
        )

    carried = ["authorization" in request.lower() for request in server.requests]
    assert carried == [True, True, False]
    assert "authorization" not in other.requests[0].lower()
    assert "cookie" not in other.requests[0].lower()
    assert "x-kept: z" in other.requests[0].lower()


async def test_proxies_of_the_environment_are_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/"] = reply(b"picture")
    async with listening() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        assert (await get(server.url("/"))).content == b"picture"
        assert proxy.requests == []


async def test_body_is_limited_to_the_byte(server: Server) -> None:
    server.answers |= {"/fits": reply(b"x" * 1000), "/declared": reply(b"x" * 10, length=1001)}

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"64\r\n" + b"x" * 100 + b"\r\n")
            await writer.drain()

    server.answers["/endless"] = endless
    assert len((await get(server.url("/fits"))).content) == 1000
    for path in ("/declared", "/endless"):
        with pytest.raises(FetchError, match="more than 1000 bytes") as failed:
            await get(server.url(path))
        assert failed.value.category == ErrorCategory.VALIDATION


async def test_slow_response_times_out(server: Server) -> None:
    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server.answers |= {"/trickle": trickle, "/silent": silent}
    for path in ("/trickle", "/silent"):
        with pytest.raises(FetchError, match=r"within 0\.3 s") as failed:
            await get(server.url(path), timeout_s=0.3)
        assert failed.value.category == ErrorCategory.TIMEOUT


@pytest.mark.parametrize("path", ["/head", "/body"])
async def test_too_slow_response_is_aborted_before_the_timeout(server: Server, path: str) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"
        writer.write(head if path == "/head" else head + b"\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    server.answers[path] = drip
    pace = Pace(head_s=0.3, num_bytes=100, within_s=0.3)
    async with asyncio.timeout(5):
        with pytest.raises(FetchError, match="too slowly") as failed:
            await fetch(server.url(path), max_bytes=1000, timeout_s=60, guard=guard(), pace=pace)
    assert failed.value.category == ErrorCategory.TIMEOUT


async def test_slow_but_steady_response_is_read(server: Server) -> None:
    async def steady(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            writer.write(b"x" * 100)
            await writer.drain()
            await asyncio.sleep(0.1)

    server.answers["/"] = steady
    pace = Pace(num_bytes=100, within_s=0.5)
    found = await fetch(server.url("/"), max_bytes=1000, timeout_s=20, guard=guard(), pace=pace)
    assert len(found.content) == 1000


async def test_look_up_counts_towards_the_time_limit() -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(FetchError, match="within"):
        await get(f"http://{NO_NAME_HERE}/", Guard(resolve=never), timeout_s=0.1)


@pytest.mark.parametrize(
    ("status", "category"),
    [
        ("404 Not Found", ErrorCategory.VALIDATION),
        ("403 Forbidden", ErrorCategory.VALIDATION),
        ("304 Not Modified", ErrorCategory.VALIDATION),
        ("408 Request Timeout", ErrorCategory.TIMEOUT),
        ("429 Too Many Requests", ErrorCategory.RATE_LIMIT),
        ("500 Internal Server Error", ErrorCategory.NETWORK),
        ("503 Service Unavailable", ErrorCategory.NETWORK),
    ],
)
async def test_status_says_whether_another_try_can_help(
    server: Server, status: str, category: ErrorCategory
) -> None:
    server.answers["/"] = reply(status=status, Retry_After="7")
    with pytest.raises(FetchError, match=status[:3]) as failed:
        await get(server.url("/"))
    assert (failed.value.category, failed.value.retry_after_s) == (category, 7)


@pytest.mark.parametrize("asked", ["86400", "Fri, 31 Dec 2999 23:59:59 GMT"])
async def test_retry_after_is_capped(server: Server, asked: str) -> None:
    server.answers["/"] = reply(status="503 Service Unavailable", Retry_After=asked)
    with pytest.raises(FetchError) as failed:
        await get(server.url("/"))
    assert failed.value.retry_after_s == 120


async def test_error_names_no_address(server: Server) -> None:
    server.answers["/"] = b"SSH-2.0-OpenSSH_9\r\n"
    for address, why in (("127.0.0.3", "connecting"), ("127.0.0.1", "not valid HTTP")):
        using = guard(NO_NAME_HERE, names=Names(address))
        with pytest.raises(FetchError, match=f"'{NO_NAME_HERE}' did not respond: .*{why}") as e:
            await get(server.url("/", NO_NAME_HERE), using)
        assert "127.0.0" not in str(e.value)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-OpenSSH_9\r\n", reply(b"short", length=100)],
)
async def test_broken_response_may_be_retried(server: Server, answer: bytes) -> None:
    server.answers["/"] = answer
    with pytest.raises(FetchError) as failed:
        await get(server.url("/"))
    assert failed.value.category == ErrorCategory.NETWORK


async def test_compressed_response_is_refused(server: Server) -> None:
    server.answers["/"] = reply(b"\x1f\x8b", Content_Encoding="gzip")
    with pytest.raises(FetchError, match="compressed"):
        await get(server.url("/"))
    assert "accept-encoding: identity" in server.requests[0].lower()


async def test_refused_connection_may_be_retried() -> None:
    async with listening() as closed:
        url = closed.url("/")
    with pytest.raises(FetchError) as failed:
        await get(url)
    assert failed.value.category == ErrorCategory.NETWORK


async def test_unknown_name_may_be_retried() -> None:
    with pytest.raises(FetchError, match="resolved"):
        await get("http://nobody.invalid/")


async def test_https_requires_tls() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"picture"))
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(FetchError, match="TLS handshake failed"):
            await get(f"https://127.0.0.1:{port}/")


async def test_exempt_name_may_be_private(server: Server) -> None:
    server.answers["/"] = reply(b"picture")
    using = guard(NO_NAME_HERE, names=Names("127.0.0.1"))
    assert (await get(server.url("/", NO_NAME_HERE), using)).content == b"picture"


async def test_post_goes_through_the_same_guard(server: Server) -> None:
    server.answers["/hook"] = reply(status="204 No Content")
    request = OutboundRequest("POST", server.url("/hook"), {"X-Id": "1"}, b'{"a": 1}')

    async with send(request, guard()) as response:
        assert response.status == 204
    assert server.requests[0].startswith("POST /hook HTTP/1.1")
    assert "content-length: 8" in server.requests[0].lower()
    with pytest.raises(ForbiddenUrlError):
        async with send(request, STRICT):
            pass


async def test_file_is_written_while_the_response_arrives(server: Server) -> None:
    content = bytes(range(256)) * 4096 * 5
    is_begun = asyncio.Event()
    blocks: list[bytes] = []
    loop = asyncio.get_running_loop()

    class File:
        def write(self, data: bytes) -> None:
            blocks.append(data)
            loop.call_soon_threadsafe(is_begun.set)

    async def pausing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(content[: len(content) // 2], length=len(content)))
        await is_begun.wait()
        writer.write(content[len(content) // 2 :])
        await writer.drain()

    server.answers |= {"/": redirect("/film"), "/film": pausing}
    source = await fetch_to_file(
        server.url("/"), File(), max_bytes=len(content), timeout_s=20, guard=guard()
    )
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) < 2 * 1024 * 1024
    assert source.final_url == server.url("/film")


async def test_files_are_guarded_and_limited_as_content_is(server: Server) -> None:
    server.answers |= {
        "/private": redirect("http://169.254.169.254/"),
        "/large": reply(b"x" * 101),
        "/cut": reply(b"x" * 10, length=20),
    }
    cases = {
        "/private": (ForbiddenUrlError, "not public"),
        "/large": (TooLargeError, "more than 100 bytes"),
        "/cut": (FetchError, "did not respond"),
    }
    for path, (kind, told) in cases.items():
        file = io.BytesIO()
        with pytest.raises(kind, match=told):
            await fetch_to_file(server.url(path), file, max_bytes=100, timeout_s=20, guard=guard())
        assert not file.getvalue()


async def test_full_disk_is_told_from_a_broken_connection(server: Server) -> None:
    class Full:
        def write(self, _data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.answers["/"] = reply(b"x" * 2_000_000)
    with pytest.raises(ResourceError, match="cannot be written: No space left on device"):
        await fetch_to_file(
            server.url("/"), Full(), max_bytes=2_000_000, timeout_s=20, guard=guard()
        )
