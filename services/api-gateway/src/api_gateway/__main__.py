"""The gateway process: two listeners in one event loop. `python -m api_gateway`."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Generator

import uvicorn
import uvloop
from fastapi import FastAPI

from api_gateway.app import create_app, create_internal_app
from api_gateway.resources import open_resources
from api_gateway.settings import GatewaySettings
from shared.settings import LogSettings
from shared.telemetry.logs import set_up_logging


class _Listener(uvicorn.Server):
    """A server among several: main handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listener(app: FastAPI, host: str, port: int, drain_timeout_s: int) -> _Listener:
    return _Listener(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=drain_timeout_s,
        )
    )


async def main() -> None:
    """Serve until SIGTERM."""
    set_up_logging(LogSettings(), service="api-gateway")
    settings = GatewaySettings()
    async with open_resources(settings) as resources:
        drain_s = settings.drain_timeout_s
        listeners = [
            _listener(create_app(resources), settings.host, settings.port, drain_s),
            _listener(
                create_internal_app(resources),
                settings.internal_host,
                settings.internal_port,
                drain_s,
            ),
        ]

        def stop() -> None:
            # Streams have no end of their own that the listeners could wait for.
            resources.feed.close()
            for listener in listeners:
                listener.should_exit = True

        # What is here now stays. A full collection stops everything, and need not walk that too.
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await asyncio.gather(*(listener.serve() for listener in listeners))


if __name__ == "__main__":
    uvloop.run(main())
