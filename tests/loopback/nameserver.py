"""A name server on loopback that knows some names and never responds for others."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

_A, _AAAA, _IN = 1, 28, 1
_NO_ERROR, _NO_NAME = 0x8180, 0x8183


class NameServer(asyncio.DatagramProtocol):
    """Responses to A and AAAA queries.

    Args:
        names: addresses by name; `*.example` matches every other name below `example`.
        silent: names below these domains get no response; may be changed.
    """

    def __init__(self, names: Mapping[str, Sequence[str]], silent: Sequence[str]) -> None:
        self.address = ""
        self.asked: list[str] = []
        self._names = names
        self.silent = set(silent)
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, question, kind = _question(data)
        self.asked.append(name)
        if not any(name.endswith(f".{domain}") for domain in self.silent):
            self._transport.sendto(self._answer(data[:2], name, question, kind), addr)

    def _answer(self, number: bytes, name: str, question: bytes, kind: int) -> bytes:
        any_below = f"*.{name.rpartition('.')[2]}"
        known = self._names.get(name, self._names.get(any_below, ()))
        found = [ipaddress.ip_address(each) for each in known]
        of_kind = [each for each in found if (_A if each.version == 4 else _AAAA) == kind]
        head = struct.pack("!HHHHH", _NO_ERROR if found else _NO_NAME, 1, len(of_kind), 0, 0)
        records = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, _IN, 60, len(each.packed)) + each.packed
            for each in of_kind
        )
        return number + head + question + records


def _question(data: bytes) -> tuple[str, bytes, int]:
    labels, at = [], 12
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    [kind] = struct.unpack_from("!H", data, at + 1)
    return ".".join(labels), data[12 : at + 5], kind


@asynccontextmanager
async def name_server(
    names: Mapping[str, Sequence[str]], *, silent: Sequence[str] = ()
) -> AsyncIterator[NameServer]:
    """Serve names; the server's `address` is `host:port`."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(names, silent), local_addr=("127.0.0.1", 0)
    )
    host, port = transport.get_extra_info("sockname")
    server.address = f"{host}:{port}"
    try:
        yield server
    finally:
        transport.close()
