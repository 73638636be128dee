"""The sandbox as a process: `python -m provider_worker.sandbox`."""

import asyncio

import uvicorn

from provider_worker.sandbox.app import Sandbox
from provider_worker.sandbox.connections import server_config
from provider_worker.sandbox.settings import SandboxSettings


async def serve(settings: SandboxSettings) -> None:
    """Serve until a signal ends the process."""
    sandbox = Sandbox(settings)
    config = server_config(sandbox.app, host=settings.host, port=settings.port, backlog=1024)
    try:
        await uvicorn.Server(config).serve()
    finally:
        await sandbox.close()


def main() -> None:
    """Read the settings and serve."""
    asyncio.run(serve(SandboxSettings()))


if __name__ == "__main__":
    main()
