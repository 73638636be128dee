"""Clients that never complete their request: `python tests/bench/slow_clients.py PORT`.

They run in a process of their own, so that they do not slow the measuring process. `--harmless`:
as many connections that send small requests at the same pace. Closed connections reconnect.
"""

import argparse
import asyncio
import contextlib
import itertools
from collections.abc import Callable

CONNECTIONS = 200
PIECE_BYTES = 16_384
_EVERY_S = 0.1
_AGAIN_S = 0.5

_Pieces = Callable[[int], bytes]


def endless_head(piece: int) -> bytes:
    """Send header fields without end."""
    if not piece:
        return b"POST /api/v1/tasks/ HTTP/1.1\r\nHost: gateway\r\n"
    return f"X-{piece}: {'x' * PIECE_BYTES}\r\n".encode()


def endless_field(piece: int) -> bytes:
    """Send one header field without end."""
    if not piece:
        return b"GET /livez HTTP/1.1\r\nHost: gateway\r\nX-Endless: "
    return b"x" * PIECE_BYTES


def endless_body(piece: int) -> bytes:
    """Send chunks of a body without end."""
    if not piece:
        return (
            b"POST /api/v1/tasks/ HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
    return f"{PIECE_BYTES:x}\r\n{'x' * PIECE_BYTES}\r\n".encode()


def half_request(piece: int) -> bytes:
    """Send the beginning of a head, then nothing."""
    return b"" if piece else b"GET /api/v1/tasks/ HTTP/1.1\r\nHost: gat"


def harmless(_piece: int) -> bytes:
    """Send a complete request on a keep-alive connection."""
    return b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n"


async def _connect_for_ever(port: int, pieces: _Pieces, every_s: float) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            drain = asyncio.create_task(_read_to_the_end(reader))
            for piece in itertools.count():
                writer.write(pieces(piece))
                await writer.drain()
                await asyncio.wait([drain], timeout=every_s)
                if drain.done():
                    break
            writer.close()
        await asyncio.sleep(_AGAIN_S)


async def _read_to_the_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass


async def main() -> None:
    """Run the clients until the process is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--harmless", action="store_true")
    chosen = parser.parse_args()
    slow: tuple[_Pieces, ...] = (endless_head, endless_field, endless_body, half_request)
    kinds = itertools.cycle([harmless] if chosen.harmless else slow)
    every_s = 20 * _EVERY_S if chosen.harmless else _EVERY_S
    clients = [
        asyncio.create_task(_connect_for_ever(chosen.port, next(kinds), every_s))
        for _ in range(CONNECTIONS)
    ]
    print("ready", flush=True)  # noqa: T201 -- the starting process waits for that
    await asyncio.gather(*clients)


if __name__ == "__main__":
    asyncio.run(main())
