"""A TCP proxy that plays a bad network between two processes, as a test tells it."""

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
    """A connection gets stuck at a point of what its client sends: the rest reaches nobody.

    Its ends still hear when the other one closes: it is the moment that is caught, for one of them
    to be killed in it.
    """

    at: bytes
    """The point."""
    after: bytes = b""
    """It counts only where these bytes came before it on the same connection."""
    is_forwarded: bool = False
    """The point itself still reaches the server, whose answer is then lost."""


@dataclass(frozen=True)
class NetworkFault:
    """What is wrong with a network. As it is made: nothing."""

    latency_s: float = 0
    """Each piece, in both directions, is passed on so much later."""
    bytes_per_s: int = 0
    """What a connection carries in each direction; 0: as much as it likes."""
    reset_after_bytes: int = 0
    """A connection is reset once so many bytes, of both directions, have passed; 0: never."""
    is_half_open: bool = False
    """Nothing passes any more, and nobody is told: neither data nor ends of connections. What is
    connected now, or connects meanwhile, stays so for good: the way back is forgotten."""
    slow_close_s: float = 0
    """The end of one side reaches the other so much later."""
    is_deaf: bool = False
    """What clients send arrives; what the server answers does not."""
    stall: Stall | None = None
    """The first connection that comes to this point gets stuck there; the others pass."""


class Proxy:
    """Stands before one server. A fault holds for connections that are there and for later ones."""

    def __init__(self, upstream: str) -> None:
        """Plan a proxy; `upstream` is the server's `host:port`."""
        host, _, port = upstream.rpartition(":")
        self.upstream = (host, int(port))
        self.fault = NetworkFault()
        self.stalled = asyncio.Event()
        """Set once a connection is stuck at the fault's stall."""
        self.well_since = time.time()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: list[tuple[bytes, asyncio.Event]] = []

    @property
    def address(self) -> str:
        """Where clients connect, `host:port`."""
        assert self._server is not None, "enter the proxy first"
        return f"{_HOST}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def num_connections(self) -> int:
        """Connections that are there now."""
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
        """Let a fault begin."""
        self.fault = fault
        self.stalled.clear()
        if fault.is_half_open:
            for connection in self._connections:
                connection.is_frozen = True

    def heal(self) -> None:
        """Let the fault end; connections that have become half-open stay so."""
        self.impose(NetworkFault())
        self.well_since = time.time()

    def cut(self) -> None:
        """Reset every connection."""
        self.well_since = time.time()
        for connection in tuple(self._connections):
            connection.reset()

    def watch(self, sent: bytes) -> asyncio.Event:
        """An event that is set when a client has sent these bytes."""
        event = asyncio.Event()
        self._watches.append((sent, event))
        return event

    def note(self, sent: bytes) -> None:
        """Look for what is watched in what a client sends."""
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
    """A client's connection and ours to the server."""

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
        """Carry bytes until both sides have ended."""
        await self._unless_frozen()
        try:
            reader, writer = await asyncio.open_connection(*self._proxy.upstream)
        except OSError:
            self.reset()  # nobody listens there
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
        """Break off both sides."""
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
        """Read on while what was read is still under way, as in a long cable."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(under_way, writer))
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._unless_frozen()
                if is_request:
                    self._look(chunk)
                    chunk = self._until_stall(chunk)
                elif self._is_stalled or self._proxy.fault.is_deaf:
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
        """Deliver each piece when its time has come; nothing left, with the empty one."""
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
        """Keep enough of what came before that a pattern over two chunks is found."""
        self._proxy.note(self._tail + chunk)
        stall = self._proxy.fault.stall
        if stall is not None and stall.after in self._tail + chunk:
            self._has_come_after = True
        self._tail = (self._tail + chunk)[-256:]

    def _until_stall(self, chunk: bytes) -> bytes:
        """What may still pass of a chunk."""
        stall = self._proxy.fault.stall
        if self._is_stalled:
            return b""
        if stall is None or not self._has_come_after or self._proxy.stalled.is_set():
            return chunk
        before, found, _ = chunk.partition(stall.at)
        if not found:
            return chunk
        self._is_stalled = True
        self._proxy.stalled.set()
        return chunk if stall.is_forwarded else before


async def _forever() -> None:
    await asyncio.Event().wait()
