"""External hosts on loopback: some that respond, and some that hang."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.loopback.nameserver import name_server

_DRIP_S = 1.0
_SILENT = "silent.example"
_SERVED = "pictures.example"


@dataclass
class ExternalHosts:
    """Servers of pictures and receivers of webhooks.

    `/picture/…` returns a picture, `/hook/…` accepts a webhook. `/drip/…` sends a picture at one
    byte a second, and `/hang/…` reads a webhook without a response, until `released` is set.
    """

    picture: bytes
    url: str = ""
    nameserver: str = ""
    first_calls: dict[str, asyncio.Future[float]] = field(default_factory=dict)
    num_hanging: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def first_call(self, path: str) -> asyncio.Future[float]:
        """Return a future of a path's first call, by `time.perf_counter`."""
        return self.first_calls.setdefault(path, asyncio.get_running_loop().create_future())

    def named(self, host: str, path: str) -> str:
        """Return a URL with a host name that resolves at once."""
        port = self.url.rpartition(":")[2]
        return f"http://{host}.{_SERVED}:{port}{path}"

    def silent(self, host: str) -> str:
        """Return a URL with a host name that never resolves."""
        return f"http://{host}.{_SILENT}/picture.png"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request on one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        await reader.readexactly(int(fields.get("content-length", "0")))
        path = head.split()[1]
        call = self.first_call(path)
        if not call.done():
            call.set_result(time.perf_counter())
        kind = path.split("/")[1]
        if kind in {"drip", "hang"} and not self.released.is_set():
            self.num_hanging += 1
            try:
                await self._hang(writer, is_dripping=kind == "drip")
            finally:
                self.num_hanging -= 1
            return
        body = self.picture if kind in {"picture", "drip"} else b""
        writer.write(self._head(len(body)) + body)
        await writer.drain()

    async def _hang(self, writer: asyncio.StreamWriter, *, is_dripping: bool) -> None:
        if is_dripping:
            writer.write(self._head(len(self.picture)))
        while not self.released.is_set() and not writer.transport.is_closing():
            if is_dripping:
                writer.write(b"x")
                await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.released.wait(), _DRIP_S)

    def _head(self, length: int) -> bytes:
        fields = f"Content-Length: {length}\r\nContent-Type: image/png\r\nConnection: close"
        return f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode()


@asynccontextmanager
async def open_external_hosts(picture: bytes) -> AsyncIterator[ExternalHosts]:
    """Serve on loopback, and release every hanging connection at the end."""
    hosts = ExternalHosts(picture)
    server = await asyncio.start_server(hosts.serve, "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    hosts.url = f"http://{host}:{port}"
    names = {"*.example": ["127.0.0.1"]}
    async with name_server(names, silent=[_SILENT]) as nameserver:
        hosts.nameserver = nameserver.address
        try:
            yield hosts
        finally:
            hosts.released.set()
            server.close()
