"""Asynchronous DNS resolution with a timeout, without threads."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import aiodns

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError

_TIMEOUT_S = 5.0


class NameResolver:
    """Resolves names as the system does: hosts file, search domains, configured name servers.

    A name server that does not respond only costs a pending query. `getaddrinfo` of the system
    would block a thread of the shared pool, without a timeout.

    Args:
        nameservers: used instead of the system's, as `host[:port]`.
        timeout_s: for one name, including retries and all search domains.
    """

    def __init__(self, nameservers: Sequence[str] = (), *, timeout_s: float = _TIMEOUT_S) -> None:
        self._nameservers = tuple(nameservers)
        self._timeout_s = timeout_s
        self._resolver: aiodns.DNSResolver | None = None

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, in the order in which they are tried.

        Raises:
            FetchError: the host has no address, or was not resolved in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                # aiodns has no useful type for addresses.
                found: Any = await self._resolver_of_loop().getaddrinfo(
                    host, port=port, type=socket.SOCK_STREAM
                )
        except TimeoutError as error:
            raise FetchError(
                f"the host {host!r} was not resolved within {self._timeout_s:g} s",
                category=ErrorCategory.TIMEOUT,
            ) from error
        except aiodns.error.DNSError as error:
            raise FetchError(f"the host {host!r} cannot be resolved") from error
        return [node.addr[0].decode() for node in found.nodes]

    async def close(self) -> None:
        """Cancel pending queries; to be called before the event loop is closed."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _resolver_of_loop(self) -> aiodns.DNSResolver:
        """Return the resolver, created late: settings are read before there is an event loop."""
        loop = asyncio.get_running_loop()
        if self._resolver is None or self._resolver.loop is not loop:
            self._resolver = aiodns.DNSResolver(self._nameservers, loop)
        return self._resolver
