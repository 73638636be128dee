"""A guarded request: it connects to exactly the address that was checked."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Any

import anyio
import httpcore
import httpx

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError
from shared.egress.guard import Guard
from shared.egress.urls import parse_url, port_of

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 15.0
_USER_AGENT = "sartiq-compute"
_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, OSError, anyio.EndOfStream)
"""Exceptions of failed connections. The last two are raised unmapped by broken TLS."""


@dataclass(frozen=True)
class OutboundRequest:
    """A request to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""


@asynccontextmanager
async def send(request: OutboundRequest, guard: Guard) -> AsyncGenerator[httpcore.Response]:
    """Send one request, and yield the response with its body unread. Redirects are not followed.

    Proxies of the environment are not used: they would resolve the host themselves. The caller
    limits the total time with `asyncio.timeout`.

    Raises:
        ForbiddenUrlError: the URL, or an address of its host, may not be called.
        FetchError: there was no response.
    """
    url = parse_url(request.url, guard)
    host = url.raw_host.decode()  # `url.host` raises for some valid DNS names
    timeouts = {"connect": _CONNECT_TIMEOUT_S, "read": _READ_TIMEOUT_S, "write": _READ_TIMEOUT_S}
    async with httpcore.AsyncConnectionPool(
        ssl_context=_tls(), network_backend=_GuardedNetwork(guard), max_connections=1
    ) as pool:
        try:
            async with pool.stream(
                request.method,
                httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=port_of(url),
                    target=url.raw_path,
                ),
                headers={"User-Agent": _USER_AGENT, **request.headers},
                content=request.content or None,
                extensions={"timeout": timeouts},
            ) as response:
                yield response
        except httpcore.TimeoutException as error:
            raise FetchError(
                f"the host {host!r} did not respond in time", category=ErrorCategory.TIMEOUT
            ) from error
        except _BROKEN as error:
            raise FetchError(f"the host {host!r} did not respond: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return a description without addresses, which the libraries' messages contain."""
    mapped = error.args[0] if error.args else None
    if isinstance(mapped, SSLCertVerificationError):
        return f"its certificate is not valid: {mapped.verify_message}"
    if isinstance(mapped, SSLError):
        return "the TLS handshake failed"
    if isinstance(error, httpcore.ConnectError):
        return "connecting to it failed"
    if isinstance(error, httpcore.ProtocolError):
        return "its response is not valid HTTP"
    return "the connection was closed"


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses, never to names: a second DNS query could return other addresses."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # Typed as the stub that httpcore uses without anyio.
        network: Any = httpcore.AnyIOBackend()
        self._network: httpcore.AsyncNetworkBackend = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._guard.find_addresses(host, port)
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
