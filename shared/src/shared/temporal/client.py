"""The connection to Temporal, one a process."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from shared.settings import TemporalSettings


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
    )
