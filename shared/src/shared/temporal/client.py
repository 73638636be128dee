"""The connection to Temporal, one a process."""

from datetime import timedelta
from functools import cache

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig

from shared.settings import TemporalSettings

WORKER_HEARTBEAT_EVERY = timedelta(seconds=10)
"""How often each worker tells the server that it lives and how busy it is."""


@cache
def _runtime() -> Runtime:
    """One a process: the SDK's threads, and the heartbeats of its workers."""
    return Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=WORKER_HEARTBEAT_EVERY)


async def connect(settings: TemporalSettings, *, identity: str, is_lazy: bool = False) -> Client:
    """Connect to the frontend.

    Args:
        settings: address, namespace and credentials.
        identity: how this process shows in histories and among pollers.
        is_lazy: connect at the first call, so that a gateway starts while Temporal is away.
    """
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        identity=identity,
        data_converter=pydantic_data_converter,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        tls=settings.is_tls,
        lazy=is_lazy,
        runtime=_runtime(),
    )
