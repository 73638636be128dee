"""One guarded request: the address that was checked is the address that is connected to."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Any

import httpcore
import httpx

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError
from shared.egress.guard import Guard
from shared.egress.urls import parse_url, port_of

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 15.0
_USER_AGENT = "sartiq-compute"


@dataclass(frozen=True)
class OutboundRequest:
    """What is sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""


@asynccontextmanager
async def send(request: OutboundRequest, guard: Guard) -> AsyncGenerator[httpcore.Response]:
    """Send one request; its answer's body is yet to be read. Redirects are answers, too.

    Proxies that the environment names are not used: they would resolve the host themselves. The
    caller limits the time of the whole with `asyncio.timeout`.

    Raises:
        ForbiddenUrlError: the URL, or an address of its host, must not be called.
        FetchError: the other side did not answer.
    """
    url = parse_url(request.url, guard)
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
                f"the host {url.host!r} did not answer in time", category=ErrorCategory.TIMEOUT
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise FetchError(f"the host {url.host!r} did not answer: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """In our own words: those of the libraries name addresses."""
    mapped = error.args[0] if error.args else None
    if isinstance(mapped, SSLCertVerificationError):
        return f"its certificate is not valid: {mapped.verify_message}"
    if isinstance(mapped, SSLError):
        return "it does not speak TLS as we do"
    if isinstance(error, httpcore.ConnectError):
        return "it takes no connection"
    if isinstance(error, httpcore.ProtocolError):
        return "it does not speak HTTP"
    return "the connection broke off"


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses, never to names: a second look-up could answer differently."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # To the type checker it is a stub, which stands in where anyio is missing.
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
