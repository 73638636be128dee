"""A web server that responds when the test releases it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class HeldServer:
    """A server that gives every request the same response once it is released."""

    content: bytes = b""
    content_type: str = "application/octet-stream"
    released: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the first request."""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Header fields by lower-case name, and the body, of each request."""
    num_answered: int = 0
    """Number of responses whose client was still connected."""
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request on one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.partition(": ") for line in head.splitlines()[1:] if line]
            fields = {name.lower(): value for name, _, value in lines}
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            self.requests.append((fields, body))
            self.arrived.set()
            await self.released.wait()
            if reader.at_eof():
                return
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                + f"Content-Type: {self.content_type}\r\n".encode()
                + f"Content-Length: {len(self.content)}\r\n\r\n".encode()
                + self.content
            )
            await writer.drain()
            self.num_answered += 1
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client is gone
        finally:
            writer.close()


@asynccontextmanager
async def held_server(content: bytes = b"", content_type: str = "") -> AsyncIterator[HeldServer]:
    """Serve on loopback, and release every client at the end."""
    held = HeldServer(content, content_type or "application/octet-stream")
    server = await asyncio.start_server(held.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    held.url = f"http://{host}:{port}"
    try:
        yield held
    finally:
        held.released.set()
        server.close()
