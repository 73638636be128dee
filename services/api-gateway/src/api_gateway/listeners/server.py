"""A uvicorn server with the gateway's limits, one per listener."""

import contextlib
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api_gateway.listeners.peers import Peers
from api_gateway.listeners.protocol import bounded_protocol
from api_gateway.settings import ListenerSettings


class Listener(uvicorn.Server):
    """A server that leaves signals to main."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def create_listener(
    app: FastAPI,
    limits: ListenerSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    drain_timeout_s: int,
) -> Listener:
    """Return a server for an application.

    Args:
        app: the application.
        limits: limits of each connection.
        host: address to listen on.
        port: port to listen on; 0: any.
        drain_timeout_s: time for open requests to finish on shutdown.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=drain_timeout_s,
    )
    trusted = ProxyHeadersMiddleware(app, config.forwarded_allow_ips).trusted_hosts  # pyright: ignore[reportArgumentType] -- starlette's ASGI types and uvicorn's
    config.http = bounded_protocol(limits, Peers(limits.max_connections_per_address, trusted))
    return Listener(config)
