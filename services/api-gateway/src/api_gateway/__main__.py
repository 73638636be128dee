"""Entry point of the gateway process, two listeners in one event loop: `python -m api_gateway`."""

import asyncio
import gc
import signal

import uvloop

from api_gateway.app import create_app, create_internal_app
from api_gateway.listeners.server import create_listener
from api_gateway.resources import open_resources
from api_gateway.settings import GatewaySettings, ListenerSettings
from shared.settings import LogSettings
from shared.telemetry.logs import set_up_logging


async def main() -> None:
    """Serve until SIGTERM."""
    set_up_logging(LogSettings(), service="api-gateway")
    settings, limits = GatewaySettings(), ListenerSettings()
    async with open_resources(settings) as resources:
        listeners = [
            create_listener(
                create_app(resources),
                limits,
                host=settings.host,
                port=settings.port,
                drain_timeout_s=settings.drain_timeout_s,
            ),
            create_listener(
                create_internal_app(resources),
                limits,
                host=settings.internal_host,
                port=settings.internal_port,
                drain_timeout_s=settings.drain_timeout_s,
            ),
        ]

        def stop() -> None:
            # Event streams do not end by themselves; the listeners would wait for them.
            resources.feed.close()
            for listener in listeners:
                listener.should_exit = True

        # The objects of start-up live as long as the process: full collections can skip them.
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await asyncio.gather(*(listener.serve() for listener in listeners))


if __name__ == "__main__":
    uvloop.run(main())
