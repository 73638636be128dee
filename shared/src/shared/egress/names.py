"""Host names to addresses, on no thread of anybody's, and given up in time."""

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

    A name whose servers are silent costs a question on its way and nothing else. The system's own
    call would hold a thread of a pool that everybody shares, for as long as it likes.

    Args:
        nameservers: asked instead of the system's, as `host[:port]`.
        timeout_s: for one name, retries and every search domain included.
    """

    def __init__(self, nameservers: Sequence[str] = (), *, timeout_s: float = _TIMEOUT_S) -> None:
        self._nameservers = tuple(nameservers)
        self._timeout_s = timeout_s
        self._resolver: aiodns.DNSResolver | None = None

    async def __call__(self, host: str, port: int) -> list[str]:
        """Find the addresses of a host, in the order in which they are tried.

        Raises:
            FetchError: it has none, or nobody said so in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                # Its addresses are tuples of anything to the type checker.
                found: Any = await self._of_this_loop().getaddrinfo(
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
        """Drop the questions that nobody waits for any more, before the loop is closed."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _of_this_loop(self) -> aiodns.DNSResolver:
        """Made late: settings are read before there is a loop."""
        loop = asyncio.get_running_loop()
        if self._resolver is None or self._resolver.loop is not loop:
            self._resolver = aiodns.DNSResolver(self._nameservers, loop)
        return self._resolver
