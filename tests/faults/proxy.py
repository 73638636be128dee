"""A TCP proxy that simulates a bad network between two processes."""

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Self

_CHUNK_BYTES = 65_536
_PIECES_PER_S = 20
_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: closing sends RST instead of FIN."""


@dataclass(frozen=True)
class Stall:
    """A stall of a connection at a point of the client's data; the rest is withheld.

    Both ends still see the other one close: the stall holds a moment, so that a process can be
    killed in it.
    """

    at: bytes
    """The bytes that mark the point."""
    after: bytes = b""
    """Bytes that must precede it on the same connection."""
    is_forwarded: bool = False
    """The point itself still reaches the server, whose response is then lost."""
    is_every: bool = False
    """Every connection that reaches the point stalls, not the first alone."""


@dataclass(frozen=True)
class NetworkFault:
    """The faults of a network; none by default."""

    latency_s: float = 0
    """The delay of each chunk, in both directions."""
    bytes_per_s: int = 0
    """The bandwidth of a connection in each direction; 0: unlimited."""
    reset_after_bytes: int = 0
    """A connection is reset after this many bytes of both directions; 0: never."""
    is_half_open: bool = False
    """Neither data nor ends of connections pass. Connections that exist now or are made meanwhile
    stay half-open for good."""
    slow_close_s: float = 0
    """The delay with which the end of one side reaches the other."""
    drops_responses: bool = False
    """Requests arrive, responses do not."""
    stall: Stall | None = None
    """The first connection that reaches this point stalls there; the others pass, unless
    `is_every`."""


class Proxy:
    """A proxy before one server. A fault applies to open and to later connections."""

    def __init__(self, upstream: str) -> None:
        """Prepare a proxy; `upstream` is the server's `host:port`."""
        host, _, port = upstream.rpartition(":")
        self.upstream = (host, int(port))
        self.fault = NetworkFault()
        self.stalled = asyncio.Event()
        """Set once a connection has stalled."""
        self.num_stalled = 0
        self.well_since = time.time()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: list[tuple[bytes, asyncio.Event]] = []

    @property
    def address(self) -> str:
        """The address that clients connect to, `host:port`."""
        assert self._server is not None, "enter the proxy first"
        return f"{_HOST}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def num_connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, _HOST, 0)
        return self

    async def __aexit__(self, error_type: object, error: object, trace: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def impose(self, fault: NetworkFault) -> None:
        """Begin a fault."""
        self.fault = fault
        self.stalled.clear()
        self.num_stalled = 0
        if fault.is_half_open:
            for connection in self._connections:
                connection.is_frozen = True

    def heal(self) -> None:
        """End the fault; connections that have become half-open stay so."""
        self.impose(NetworkFault())
        self.well_since = time.time()

    def cut(self) -> None:
        """Reset every connection."""
        self.well_since = time.time()
        for connection in tuple(self._connections):
            connection.reset()

    def watch(self, sent: bytes) -> asyncio.Event:
        """Return an event that is set when a client has sent these bytes."""
        event = asyncio.Event()
        self._watches.append((sent, event))
        return event

    def note(self, sent: bytes) -> None:
        """Search a client's data for the watched bytes."""
        for watch in tuple(self._watches):
            pattern, event = watch
            if pattern in sent:
                event.set()
                self._watches.remove(watch)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        except asyncio.CancelledError:
            pass  # the proxy closes; asyncio's own callback would complain of it
        finally:
            self._connections.discard(connection)


class _Connection:
    """A client's connection and the one to the server."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.is_frozen = proxy.fault.is_half_open
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._passed_bytes = 0
        self._tail = b""
        self._has_come_after = False
        self._is_stalled = False

    async def run(self) -> None:
        """Relay bytes until both sides have ended."""
        await self._unless_frozen()
        try:
            reader, writer = await asyncio.open_connection(*self._proxy.upstream)
        except OSError:
            self.reset()  # no server listens there
            return
        self._writers.append(writer)
        try:
            await asyncio.gather(
                self._pump(self._client[0], writer, is_request=True),
                self._pump(reader, self._client[1], is_request=False),
            )
        finally:
            self.reset()

    def reset(self) -> None:
        """Reset both sides."""
        for writer in self._writers:
            with contextlib.suppress(OSError):
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        try:
            await self._carry(reader, writer, is_request=is_request)
        except OSError:  # reset by one side
            await self._unless_frozen()
            self.reset()
            return
        await self._unless_frozen()
        if self._is_stalled:
            self.reset()
        await asyncio.sleep(self._proxy.fault.slow_close_s)
        if not writer.is_closing():
            with contextlib.suppress(OSError):  # gone meanwhile
                writer.write_eof()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        """Read on while earlier chunks are delayed, as on a link with latency."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(under_way, writer))
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._unless_frozen()
                if is_request:
                    self._look(chunk)
                    chunk = self._until_stall(chunk)
                elif self._is_stalled or self._proxy.fault.drops_responses:
                    continue
                if chunk:
                    under_way.put_nowait((time.monotonic() + self._proxy.fault.latency_s, chunk))
            under_way.put_nowait((0, b""))
            await delivery
        finally:
            delivery.cancel()

    async def _deliver(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        """Deliver each chunk at its time; an empty chunk ends the direction."""
        try:
            while (piece := await under_way.get())[1]:
                await asyncio.sleep(piece[0] - time.monotonic())
                await self._pass_on(piece[1], writer)
        except OSError:  # reset by the other side
            await self._unless_frozen()
            self.reset()

    async def _unless_frozen(self) -> None:
        if self.is_frozen:
            await _forever()

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        fault = self._proxy.fault
        size = max(fault.bytes_per_s // _PIECES_PER_S, 1) if fault.bytes_per_s else _CHUNK_BYTES
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            await self._unless_frozen()
            limit = self._proxy.fault.reset_after_bytes
            if limit:
                piece = piece[: max(limit - self._passed_bytes, 0)]
            writer.write(piece)
            await writer.drain()
            self._passed_bytes += len(piece)
            if limit and self._passed_bytes >= limit:
                self.reset()
                return
            if self._proxy.fault.bytes_per_s:
                await asyncio.sleep(1 / _PIECES_PER_S)

    def _look(self, chunk: bytes) -> None:
        """Keep the end of the previous chunk, so that a pattern across two chunks is found."""
        self._proxy.note(self._tail + chunk)
        stall = self._proxy.fault.stall
        if stall is not None and stall.after in self._tail + chunk:
            self._has_come_after = True
        self._tail = (self._tail + chunk)[-256:]

    def _until_stall(self, chunk: bytes) -> bytes:
        """Return the part of a chunk that may still pass."""
        stall = self._proxy.fault.stall
        if self._is_stalled:
            return b""
        if stall is None or not self._has_come_after:
            return chunk
        if self._proxy.stalled.is_set() and not stall.is_every:
            return chunk
        before, found, _ = chunk.partition(stall.at)
        if not found:
            return chunk
        self._is_stalled = True
        self._proxy.stalled.set()
        self._proxy.num_stalled += 1
        return chunk if stall.is_forwarded else before


async def _forever() -> None:
    await asyncio.Event().wait()
